/* man.h - the manual pages, in mdoc(7), from the tables of commands, options and settings. */
#ifndef MC_CLI_MAN_H
#define MC_CLI_MAN_H

#include "base/text.h"

void man_program(struct text *out); /* memory-connector(1) */
void man_config(struct text *out);  /* memory-connector.yaml(5) */

#endif
