/* cli.h - the command line: one table of options, one table of commands; they drive parsing, help, and what is generated from them.
 *
 * stdout carries data, stderr everything else. A command fills cli->out and returns an exit code; what it put there is written at the end, so
 * that a failure gives one JSON object and not half of one. */
#ifndef MC_CLI_CLI_H
#define MC_CLI_CLI_H

#include "base/error.h"
#include "base/json_write.h"
#include "base/text.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum option_id {
    OPTION_CONFIG, OPTION_STATE, OPTION_LOG_LEVEL, OPTION_LOG_FORMAT, OPTION_NO_COLOR, OPTION_QUIET, OPTION_JSON, OPTION_HELP, OPTION_VERSION,
    OPTION_CONNECTOR, OPTION_ALL, OPTION_WAIT, OPTION_DRY_RUN, OPTION_LIMIT, OPTION_RANGE, OPTION_MAX_ITEMS, OPTION_JSON_LINES, OPTION_LOCK_WAIT,
    OPTION_MEMORY_URL, OPTION_CONTEXT_ID, OPTION_LIGHTRAG_URL, OPTION_MEMORY_KEY_FILE, OPTION_LIGHTRAG_KEY_FILE, OPTION_API_URL, OPTION_API_KEY,
    OPTION_LIGHTRAG_WORKSPACE, OPTION_CLASS, OPTION_ID, OPTION_SINCE, OPTION_YES, OPTION_SHOW_CONTENT, OPTION_CLOSED, OPTION_REPAIR, OPTION_ACCEPT_TARGET, OPTION_BACKFILL,
    OPTION_COUNT, OPTION_TZ, OPTION_FROM, OPTION_API_ONLY, OPTION_SCHEDULER_ONLY, OPTION_HOST, OPTION_PORT, OPTION_REASON, OPTION_UNTIL, OPTION_TEXT, OPTION_ENTITY, OPTION_MEMORY, OPTION_FORCE, OPTION_TO, OPTION_ORIGIN, OPTION_ONLINE,
    OPTIONS
};

struct option_row {
    const char *name;
    char letter;             /* 0: none */
    const char *argument;    /* NULL: a flag */
    const char *help;
    bool is_global;
    bool is_hidden;          /* an older name: works, not in help */
    bool is_secret;          /* wiped from the process list, with a warning */
};
extern const struct option_row option_rows[OPTIONS];

struct cli;

struct command {
    const char *group;       /* heading of this one and those behind it, up to the next one that has one; NULL: as before */
    const char *name;        /* "dead-letters list": two words where it has parts */
    const char *arguments;   /* "[CONNECTOR...]" */
    const char *summary;
    const char *details;     /* more lines; may be NULL */
    enum option_id options[16];
    size_t option_count;
    const char *examples[4]; /* at least two */
    size_t words_least, words_most; /* plain words behind the command */
    int (*run)(struct cli *cli);
};
extern const struct command commands[];
extern const size_t command_count;

struct cli {
    int argc;
    char **argv;
    const struct command *command;
    const char *values[OPTIONS];   /* NULL: not given; flags: "" */
    const char **connectors;       /* by -c */
    size_t connector_count;
    char *secret;                  /* the one that came on the command line; owned */
    const char **words;            /* plain words behind the command */
    size_t word_count;
    bool json, quiet;
    bool color, paints;            /* colours on stderr; on stdout */
    struct text out;
    struct config *config;
};

int cli_main(int argc, char **argv);

/* Loads the configuration, opens the log, shows problems. 0 or -1. */
int cli_load_config(struct cli *cli, struct error *err);
int cli_open_log(struct cli *cli, struct error *err);
/* How it ends when several things went wrong: the first that applies of 74, 78, 77, 69, 75 and 1; 0: nothing did. */
int cli_worst_code(const bool seen[ERROR_KINDS]);
/* Shows the error (text on stderr, or JSON) and gives its exit code. */
int cli_fail(struct cli *cli, const struct error *err);
/* A connector of the configuration file. */
int cli_find_connector(struct cli *cli, const char *name, size_t *ret_index, struct error *err);
/* The connector named by -c or a word (one at most); ERROR_USAGE when it is unknown. *ret_index SIZE_MAX: none named. */
int cli_one_connector(struct cli *cli, size_t *ret_index, struct error *err);
/* The same, also of those that were made by API, whose state is looked into. *ret_id NULL: none named; else borrowed. */
int cli_known_connector(struct cli *cli, const char **ret_id, struct error *err);
int cli_get_integer(const struct cli *cli, enum option_id id, int64_t fallback, int64_t *ret_value, struct error *err);
int cli_get_port(const struct cli *cli, enum option_id id, int64_t fallback, int64_t *ret_port, struct error *err);
int cli_get_duration(const struct cli *cli, enum option_id id, int64_t fallback_ms, int64_t *ret_ms, struct error *err);
/* A moment: RFC 3339, or how long ago ("2h"). */
int cli_get_time(const struct cli *cli, enum option_id id, int64_t *ret_ms, struct error *err);
/* Opens the state to read; *ret_state NULL and 0 when there is none yet. */
struct state;
int cli_open_reader(struct cli *cli, struct state **ret_state, struct error *err);
/* Loads the configuration; its state, with --lock-wait, not opened yet. */
struct state_settings;
int cli_find_state(struct cli *cli, struct state_settings *ret_settings, struct error *err);
int cli_confirm(struct cli *cli, const char *question, struct error *err); /* 0: yes */
void cli_begin_json(struct cli *cli, struct json_writer *writer, const char *kind);
void cli_end_json(struct cli *cli, struct json_writer *writer);
void cli_write_error(struct json_writer *writer, const struct error *err); /* the member "error" of an object; ERROR_NONE: null */
int cli_flush(struct cli *cli, struct error *err); /* writes cli->out to stdout */

/* ---- help.c ---- */
void help_command(const struct command *command, struct text *out);
void help_all(struct text *out);
void help_short(struct text *out); /* for who names no command */
/* name: a command, or the word that several begin with; NULL: all. false: there is none. */
bool help_write_json(struct cli *cli, const char *name);
/* second: the word behind it; NULL: none. Always -1. */
int help_unknown_command(const char *name, const char *second, struct error *err);

/* ---- the commands ---- */
int command_sync(struct cli *cli);
int command_serve(struct cli *cli);
int command_trigger(struct cli *cli);
int command_pause(struct cli *cli);
int command_resume(struct cli *cli);
int command_cancel(struct cli *cli);
int command_tail(struct cli *cli);
int command_health(struct cli *cli);
int command_list(struct cli *cli);
int command_status(struct cli *cli);
int command_history(struct cli *cli);
int command_report(struct cli *cli);
int command_letters_list(struct cli *cli);
int command_letters_show(struct cli *cli);
int command_letters_retry(struct cli *cli);
int command_letters_discard(struct cli *cli);
int command_letters_export(struct cli *cli);
int command_letters_import(struct cli *cli);
int command_explain(struct cli *cli);
int command_resolve(struct cli *cli);
int command_verify(struct cli *cli);
int command_forget(struct cli *cli);
int command_reset(struct cli *cli);
int command_state_check(struct cli *cli);
int command_state_repair(struct cli *cli);
int command_state_export(struct cli *cli);
int command_state_import(struct cli *cli);
int command_state_migrate(struct cli *cli);
int command_state_cleanup(struct cli *cli);
int command_transform(struct cli *cli);
int command_schedule_next(struct cli *cli);
int command_completion(struct cli *cli);
int command_init(struct cli *cli);
int command_config_show(struct cli *cli);
int command_config_schema(struct cli *cli);
int command_config_convert(struct cli *cli);
int command_config_check(struct cli *cli);
int command_doctor(struct cli *cli);
int command_demo(struct cli *cli);
int command_version(struct cli *cli);
int command_help(struct cli *cli);

#endif
