/* samples.h - examples/memories/week.json, embedded at build time for the command demo. */
#ifndef MC_CLI_SAMPLES_H
#define MC_CLI_SAMPLES_H

#include <stddef.h>

extern const unsigned char sample_memories[];
extern const size_t sample_memories_size;

#endif
