/* doctor.h - what an examination finds: one line for each check, with its result and, where it is not well, the exact fix.
 *
 * Facts are gathered first (engine/probe.h asks the servers side by side; doctor_here.c looks at this machine), then rows of tables judge them: a row says
 * what it is called and which rows before it must be well. What depends on something that failed is not looked at, and says so. */
#ifndef MC_CLI_DOCTOR_H
#define MC_CLI_DOCTOR_H

#include "base/json_write.h"
#include "cli/connectors.h"
#include "config/config.h"
#include "engine/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum doctor_result { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_SKIPPED, DOCTOR_RESULTS };
const char *doctor_result_name(enum doctor_result result); /* "ok", "warn", "fail", "skipped" */

struct doctor_finding {
    const char *group;             /* configuration, source, target, state, service */
    char *subject;                 /* the server's name; NULL where the group is one thing. Owned, as the texts below */
    const char *check;
    enum doctor_result result;
    enum error_kind kind;          /* of DOCTOR_FAIL: how a sync would end */
    char *detail, *fix;            /* fix NULL: there is nothing to do */
};

struct doctor {
    struct doctor_finding *items;
    size_t count, capacity;
};
void doctor_done(struct doctor *doctor);
AUTO_DEFINE_DONE(doctor)
size_t doctor_count(const struct doctor *doctor, enum doctor_result result);

/* A new finding, well until something else is said of it. Borrowed until the next one. */
struct doctor_finding *doctor_add(struct doctor *doctor, const char *group, const char *subject, const char *check);
void doctor_say(struct doctor_finding *finding, enum doctor_result result, const char *format, ...) MC_PRINTF(3, 4);
void doctor_fail(struct doctor_finding *finding, enum error_kind kind, const char *format, ...) MC_PRINTF(3, 4);
void doctor_fix(struct doctor_finding *finding, const char *format, ...) MC_PRINTF(2, 3);

struct doctor_check {
    const char *name;
    unsigned needs;                /* bits: rows of the table that must not have failed or been left out; a higher one than its own is a mistake */
    bool (*applies)(const void *facts); /* NULL: always */
    void (*judge)(const void *facts, struct doctor_finding *finding);
};
#define DOCTOR_NEEDS(row) (1u << (row))
/* Returns the bits of the rows that failed or were left out. */
unsigned doctor_run(struct doctor *doctor, const char *group, const char *subject, const struct doctor_check *checks, size_t count, const void *facts);

/* ---- The servers (doctor_servers.c). Pure: facts in, findings out. ---- */

struct doctor_server {
    const struct probe_contact *contact;
    const struct probe_source *source; /* one of the two */
    const struct probe_target *target;
    const char *url;
    const struct http_trust *trust;
    const char *section;           /* where its settings stand: "memory_api", "sources.NAME", "lightrag.api", "targets.NAME.api" */
    const char *known_workspace;   /* of a target: what the state knows it by; NULL: nothing */
    const struct engine_connector *const *connectors; /* those in use, to name whose context is wrong */
    size_t connector_count;
};
void doctor_judge_source(struct doctor *doctor, const struct doctor_server *server);
void doctor_judge_target(struct doctor *doctor, const struct doctor_server *server);

/* ---- The whole (command_doctor.c) ---- */

struct cli;

struct examination {
    struct cli *cli;
    struct doctor doctor;
    struct config_problems problems; /* of the configuration */
    struct error config_error;     /* ERROR_NONE: it could be read; else cli->config is NULL */
    struct state *state;           /* to read; NULL: there is none, or it cannot be read, as state_error says */
    struct error state_error;
    struct connectors stored; /* of the file and of the state */
    const struct engine_connector **connectors; /* those in use: enabled */
    size_t connector_count;
};
void examination_done(struct examination *examination);
AUTO_DEFINE_DONE(examination)

/* Opens the state to read and finds out which connectors are in use. The configuration was loaded. */
void examination_begin(struct examination *examination);
/* Asks every source and target in use, and judges the answers. -1: the network cannot go on. */
int examine_servers(struct examination *examination, struct error *err);

/* This machine (doctor_here.c). */
void examine_config(struct examination *examination);
void examine_state(struct examination *examination);
void examine_service(struct examination *examination);

/* For people: groups with headings, from the finding at index first on; quiet: only what is not well. For programs: "checks" and counts into the open object. */
void doctor_print(struct cli *cli, const struct doctor *doctor, size_t first);
void doctor_print_counts(struct cli *cli, const struct doctor *doctor);
void doctor_write(struct json_writer *writer, const struct doctor *doctor);

#endif
