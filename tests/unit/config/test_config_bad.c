/* Everything that may be wrong with a configuration, and the exact words that the user reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"

#include "base/mem.h"

#include <string.h>

static const char *const environment[] = { "HOME=/nowhere", "KEY=hunter2", NULL };

static const struct { const char *yaml, *problems; } rows[] = {
    /* names that are none */
    { "lightrag:\n  api: { ulr: http://x }\n", "c.yaml:2:10: lightrag.api.ulr: there is no such setting; did you mean \"url\"?" },
    { "lightrag:\n  url: http://x\n", "c.yaml:2:3: lightrag.url: there is no such setting; did you mean \"api.url\"?" },
    { "lightrag: { api_key_file: k }\n", "c.yaml:1:13: lightrag.api_key_file: there is no such setting; did you mean \"api.api_key_file\"?" },
    { "lightrag: { batch_size: 5 }\n", "c.yaml:1:13: lightrag.batch_size: there is no such setting; did you mean \"insert.batch_size\"?" },
    { "connectors: [{ id: a, context_id: c, query_limit: 5 }]\n",
      "c.yaml:1:38: connectors[0].query_limit: there is no such setting; did you mean \"ingestion.query_limit\"?" },
    { "connectors: [{ id: a, context_id: c, strategy: standard }]\n",
      "c.yaml:1:38: connectors[0].strategy: there is no such setting; did you mean \"transformation.strategy\"?" },
    { "memory_apis: {}\n", "c.yaml:1:1: memory_apis: there is no such setting; did you mean \"memory_api\"?" },
    { "x: 1\n", "c.yaml:1:1: x: there is no such setting" },
    { "something_else_entirely: 1\n", "c.yaml:1:1: something_else_entirely: there is no such setting" },
    { "lightrag: { insert: { btach_size: 5 } }\n",
      "c.yaml:1:23: lightrag.insert.btach_size: there is no such setting; did you mean \"batch_size\"?" },
    /* tabs */
    { "lightrag:\n\tapi: {}\n", "c.yaml:2:1: this line is indented with a tab: use blanks" },
    { "lightrag:\n  api:\n\t  url: http://x\n", "c.yaml:3:1: this line is indented with a tab: use blanks" },
    { "lightrag:\n  api:\n  \turl: http://x\n", "c.yaml:3:3: this line is indented with a tab: use blanks" },
    /* a mapping where a list is wanted, and so on */
    { "lightrag: [1, 2]\n", "c.yaml:1:11: lightrag: expected a mapping" },
    { "lightrag: text\n", "c.yaml:1:11: lightrag: expected a mapping" },
    { "lightrag: { api: [] }\n", "c.yaml:1:18: lightrag.api: expected a mapping" },
    { "connectors: { a: 1 }\n", "c.yaml:1:13: connectors: expected a list (lines that begin with \"- \")" },
    { "connectors: text\n", "c.yaml:1:13: connectors: expected a list (lines that begin with \"- \")" },
    { "connectors: [5]\n", "c.yaml:1:14: connectors[0]: expected a mapping" },
    { "connectors: [[]]\n", "c.yaml:1:14: connectors[0]: expected a mapping" },
    { "targets: [a]\n", "c.yaml:1:10: targets: expected a mapping of names" },
    { "targets: { a: 5 }\n", "c.yaml:1:15: targets.a: expected a mapping" },
    /* connectors: what is missing, wrong or twice */
    { "connectors:\n  - id: a\n", "c.yaml:2:5: connectors[0].context_id: is missing (the context of the Memory API that it reads)" },
    { "connectors:\n  - context_id: a\n", "c.yaml:2:5: connectors[0].id: is missing (Its name: letters, digits, _ - and . (not first).)" },
    { "connectors:\n  - { id: \"\", context_id: c }\n",
      "c.yaml:2:5: connectors[0].id: is missing (Its name: letters, digits, _ - and . (not first).)" },
    { "connectors:\n  - { id: .a, context_id: c }\n",
      "c.yaml:2:11: connectors[0].id: \".a\" is no id: letters, digits, _ - and . (not first), at most 64" },
    { "connectors:\n  - { id: a b, context_id: c }\n",
      "c.yaml:2:11: connectors[0].id: \"a b\" is no id: letters, digits, _ - and . (not first), at most 64" },
    { "connectors:\n  - { id: \"\xC3\xA4" "\", context_id: c }\n",
      "c.yaml:2:11: connectors[0].id: \"\xC3\xA4" "\" is no id: letters, digits, _ - and . (not first), at most 64" },
    { "connectors:\n  - { id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, context_id: c }\n",
      "c.yaml:2:11: connectors[0].id: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is no id: letters, digits, _ - and . (not first), at most 64" },
    { "connectors:\n  - { id: a, context_id: c }\n  - { id: a, context_id: d }\n", "c.yaml:3:11: connectors[1].id: \"a\" is taken by connectors[0]" },
    { "connectors:\n  - { id: a, context_id: c }\n  - { id: b, context_id: c }\n",
      "c.yaml:3:26: connectors[1].context_id: connectors a and b both carry context \"c\" from default to default: every memory would have two owners; disable one" },
    { "connectors:\n  - { id: a, context_ids: [c, d] }\n  - { id: b, context_ids: [e, d] }\n",
      "c.yaml:3:27: connectors[1].context_ids: connectors a and b both carry context \"d\" from default to default: every memory would have two owners; disable one" },
    { "lightrag: { api: { url: http://x } }\ntargets: { twin: { api: { url: http://x/ } } }\nconnectors:\n  - { id: a, context_id: c }\n  - { id: b, context_id: c, target: twin }\n",
      "c.yaml:5:26: connectors[1].context_id: connectors a and b both carry context \"c\" from default to one LightRAG (default and twin have the same url): every memory would have two owners; disable one" },
    { "connectors:\n  - { id: a, context_ids: [c, c] }\n", "c.yaml:2:27: connectors[0].context_ids: context \"c\" stands here twice" },
    { "connectors:\n  - { id: a, context_id: c, context_ids: [d] }\n",
      "c.yaml:2:42: connectors[0].context_ids: stands beside context_id: give one of the two" },
    { "connectors:\n  - { id: a, context_ids: [] }\n",
      "c.yaml:2:5: connectors[0].context_id: is missing (the context of the Memory API that it reads)" },
    { "connectors:\n  - { id: a, context_ids: [\"\"] }\n", "c.yaml:2:27: connectors[0].context_ids: one of them is empty" },
    { "connectors:\n  - { id: a, context_ids: [{}] }\n", "c.yaml:2:28: connectors[0].context_ids[0]: expected a text" },
    { "connectors:\n  - { id: a, context_ids: [~] }\n", "c.yaml:2:28: connectors[0].context_ids[0]: expected a text" },
    { "connectors:\n  - { id: a, context_id: [c] }\n", "c.yaml:2:26: connectors[0].context_id: expected a text, not a list" },
    { "connectors:\n  - { id: a, context_id: c, target: defualt }\n",
      "c.yaml:2:37: connectors[0].target: there is no target \"defualt\"; did you mean \"default\"?" },
    { "connectors:\n  - { id: a, context_id: c, source: elsewhere }\n",
      "c.yaml:2:37: connectors[0].source: there is no source \"elsewhere\": name it under sources" },
    { "connectors:\n  - { id: a, context_id: c, target: \"\" }\n",
      "c.yaml:2:37: connectors[0].target: there is no target \"\": name it under targets" },
    /* targets and sources */
    { "targets: { default: { api: { url: http://x } } }\n",
      "c.yaml:1:21: targets.default: is no name for a target of its own: \"default\" is the section lightrag" },
    { "targets: { .x: { api: { url: http://x } } }\n",
      "c.yaml:1:16: targets..x: is no name for a target: letters, digits, _ - and . (not first), at most 64" },
    { "sources: { \"a b\": { url: http://x } }\n",
      "c.yaml:1:19: sources.a b: is no name for a source: letters, digits, _ - and . (not first), at most 64" },
    { "sources: { default: {} }\n", "c.yaml:1:21: sources.default: is no name for a source of its own: \"default\" is the section memory_api" },
    /* URLs */
    { "memory_api: { url: ftp://x }\n", "c.yaml:1:20: memory_api.url: \"ftp://x\" is no URL for a server: only http and https are possible" },
    { "memory_api: { url: localhost:8080 }\n",
      "c.yaml:1:20: memory_api.url: \"localhost:8080\" is no URL for a server: it must begin with http:// or https://" },
    { "memory_api: { url: \"\" }\n", "c.yaml:1:20: memory_api.url: is empty: expected a URL such as http://localhost:9621" },
    { "memory_api: { url: http://me:pw@x }\n",
      "c.yaml:1:20: memory_api.url: the URL is not possible, or has a user name or password inside: use the api_key setting instead" },
    { "memory_api: { url: \"http://x?a=1\" }\n",
      "c.yaml:1:20: memory_api.url: \"http://x?a=1\" is no URL for a server: it must have no \"?\" and no \"#\"" },
    { "memory_api: { url: \"http://\" }\n", "c.yaml:1:20: memory_api.url: \"http://\" is no URL for a server: No host part in the URL" },
    { "memory_api: { url: [http://x] }\n", "c.yaml:1:20: memory_api.url: expected a URL such as http://localhost:9621, not a list" },
    /* numbers, durations, sizes: what YAML would make of them does not count */
    { "memory_api: { timeout: soon }\n",
      "c.yaml:1:24: memory_api.timeout: \"soon\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
    { "memory_api: { timeout: 1e9h }\n", "c.yaml:1:24: memory_api.timeout: \"1e9h\" is out of range: 1s to 1h" },
    { "memory_api: { timeout: 0 }\n", "c.yaml:1:24: memory_api.timeout: \"0\" is out of range: 1s to 1h" },
    { "memory_api: { timeout: -5s }\n", "c.yaml:1:24: memory_api.timeout: \"-5s\" is out of range: 1s to 1h" },
    { "memory_api: { timeout: 12:30:45 }\n",
      "c.yaml:1:24: memory_api.timeout: \"12:30:45\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
    { "memory_api: { timeout: [5] }\n",
      "c.yaml:1:24: memory_api.timeout: expected a duration such as 30s, 5m or 1h (a bare number is seconds), not a list" },
    { "memory_api: { timeout: {} }\n",
      "c.yaml:1:24: memory_api.timeout: expected a duration such as 30s, 5m or 1h (a bare number is seconds), not a mapping" },
    { "memory_api: { max_retries: 1.5 }\n", "c.yaml:1:28: memory_api.max_retries: \"1.5\" is not a whole number" },
    { "memory_api: { max_retries: 0o17 }\n", "c.yaml:1:28: memory_api.max_retries: \"0o17\" is not a whole number" },
    { "memory_api: { max_retries: 0x10 }\n", "c.yaml:1:28: memory_api.max_retries: \"0x10\" is not a whole number" },
    { "memory_api: { max_retries: 1_000 }\n", "c.yaml:1:28: memory_api.max_retries: \"1_000\" is not a whole number" },
    { "memory_api: { max_retries: .inf }\n", "c.yaml:1:28: memory_api.max_retries: \".inf\" is not a whole number" },
    { "memory_api: { max_retries: .nan }\n", "c.yaml:1:28: memory_api.max_retries: \".nan\" is not a whole number" },
    { "memory_api: { max_retries: \"\" }\n", "c.yaml:1:28: memory_api.max_retries: \"\" is not a whole number" },
    { "memory_api: { max_retries: many }\n", "c.yaml:1:28: memory_api.max_retries: \"many\" is not a whole number" },
    { "memory_api: { max_retries: -1 }\n", "c.yaml:1:28: memory_api.max_retries: \"-1\" is out of range: 0 to 100" },
    { "memory_api: { max_item_bytes: 1GiB }\n", "c.yaml:1:31: memory_api.max_item_bytes: \"1GiB\" is out of range: 1KiB to 64MiB" },
    { "memory_api: { max_item_bytes: 8Mi }\n", "c.yaml:1:31: memory_api.max_item_bytes: \"8Mi\" is not a size such as 8MiB" },
    { "memory_api: { retry_backoff: fast }\n", "c.yaml:1:30: memory_api.retry_backoff: \"fast\" is not a number" },
    { "memory_api: { retry_backoff: 0.5 }\n", "c.yaml:1:30: memory_api.retry_backoff: \"0.5\" is out of range: 1 to 10" },
    /* secrets */
    { "memory_api: { api_key: \"a\\nb\" }\n",
      "c.yaml:1:24: memory_api.api_key: the value has a control character inside (a line end at its end, perhaps)" },
    { "memory_api: { api_key: a, api_key_file: b }\n", "c.yaml:1:41: memory_api.api_key_file: stands beside api_key: give one of the two" },
    { "memory_api: { api_key_file: /nowhere/at/all }\n", "c.yaml:1:29: memory_api.api_key_file: /nowhere/at/all: there is no such file" },
    { "memory_api: { api_key_file: / }\n", "c.yaml:1:29: memory_api.api_key_file: / is a folder, not a file" },
    { "memory_api: { api_key_file: [a] }\n", "c.yaml:1:29: memory_api.api_key_file: expected the path of a file" },
    /* booleans: no and yes are words */
    { "http: { insecure: no }\n", "c.yaml:1:19: http.insecure: \"no\" is neither true nor false" },
    { "http: { insecure: yes }\n", "c.yaml:1:19: http.insecure: \"yes\" is neither true nor false" },
    { "http: { insecure: 1 }\n", "c.yaml:1:19: http.insecure: \"1\" is neither true nor false" },
    { "http: { insecure: \"\" }\n", "c.yaml:1:19: http.insecure: \"\" is neither true nor false" },
    /* choices, and what this release has not */
    { "logging: { level: loud }\n", "c.yaml:1:19: logging.level: \"loud\" is not one of debug, info, warn, error, off" },
    { "logging: { format: xml }\n", "c.yaml:1:20: logging.format: \"xml\" is not one of console, json, text" },
    { "logging: { file: { enabled: true } }\n",
      "c.yaml:1:29: logging.file.path: is missing: where is the log file to be?" },
    { "logging: { components: { htpt: debug } }\n",
      "c.yaml:1:26: logging.components.htpt: there is no such setting; did you mean \"http\"?" },
    { "logging: { console: { colorize: sometimes } }\n", "c.yaml:1:33: logging.console.colorize: \"sometimes\" is not one of auto, true, false" },
    { "lightrag: { mode: direct }\n",
      "c.yaml:1:19: lightrag.mode: \"direct\" is not possible: documents go through LightRAG's HTTP API; leave it at \"api\"" },
    { "lightrag: { insert: { batch_size: 0 } }\n", "c.yaml:1:35: lightrag.insert.batch_size: \"0\" is out of range: 1 to 1000" },
    { "lightrag: { insert: { batch_size: 1001 } }\n", "c.yaml:1:35: lightrag.insert.batch_size: \"1001\" is out of range: 1 to 1000" },
    { "lightrag: { confirm: { kick: maybe } }\n", "c.yaml:1:30: lightrag.confirm.kick: \"maybe\" is not one of auto, never" },
    { "lightrag: { confirm: { settle: soon } }\n", "c.yaml:1:32: lightrag.confirm.settle: is neither auto nor a duration from 1s to 1d" },
    { "lightrag: { confirm: { settle: 1ms } }\n", "c.yaml:1:32: lightrag.confirm.settle: is neither auto nor a duration from 1s to 1d" },
    { "lightrag: { confirm: { poll_interval: 0 } }\n", "c.yaml:1:39: lightrag.confirm.poll_interval: \"0\" is out of range: 5ms to 1h" },
    { "lightrag: { confirm: { give_up_after: 5s } }\n", "c.yaml:1:39: lightrag.confirm.give_up_after: \"5s\" is out of range: 1m to 30d" },
    { "state: { backend: postgres }\n",
      "c.yaml:1:19: state.backend: \"postgres\" is not one of sqlite, json" },
    { "state: { keep_texts: some }\n", "c.yaml:1:22: state.keep_texts: \"some\" is not one of auto, all, unfinished" },
    { "state: { disk_reserve: lots }\n", "c.yaml:1:24: state.disk_reserve: \"lots\" is not a size such as 8MiB" },
    { "state: { cleanup: { retention_days: 0 } }\n", "c.yaml:1:37: state.cleanup.retention_days: \"0\" is out of range: 1 to 36500" },
    { "api: { port: 70000 }\n", "c.yaml:1:14: api.port: \"70000\" is out of range: 0 to 65535" },
    { "api: { allow_inline_endpoints: true }\nhttp: { proxy: \"http://p:3128\" }\n",
      "c.yaml:1:32: api.allow_inline_endpoints: does not go with http.proxy: which address a server of a connector made by API has could not be checked behind a proxy" },
    { "api: { inline_networks: [10.0.0.0/8, lan.example.org] }\n",
      "c.yaml:1:38: api.inline_networks[1]: \"lan.example.org\" is neither an address nor a network such as 10.1.0.0/16" },
    { "api: { inline_networks: [10.0.0.0/33] }\n",
      "c.yaml:1:26: api.inline_networks[0]: \"10.0.0.0/33\" is neither an address nor a network such as 10.1.0.0/16" },
    { "api: { cors: { enabled: true } }\n", "c.yaml:1:25: api.cors.enabled: needs api.cors.origins: the origins that may ask" },
    { "api: { cors: { origins: [\"*\"] } }\n",
      "c.yaml:1:26: api.cors.origins[0]: \"*\" is no origin: a scheme and a host in small letters, with a port where it has one, such as "
      "https://app.example.org; there is no \"*\"" },
    { "api: { cors: { origins: [https://app.example.org/] } }\n",
      "c.yaml:1:26: api.cors.origins[0]: \"https://app.example.org/\" is no origin: a scheme and a host in small letters, with a port where it has one, such as "
      "https://app.example.org; there is no \"*\"" },
    { "api: { trusted_proxies: [proxy.local] }\n", "c.yaml:1:26: api.trusted_proxies[0]: \"proxy.local\" is no address of a proxy" },
    { "monitoring: { alerts: { enabled: true } }\n",
      "c.yaml:1:34: monitoring.alerts.webhook_url: is missing: where are alerts to go?\n"
      "c.yaml:1:34: monitoring.alerts.secret: it must be \"whsec_\" with the base64 of 16 to 64 random bytes behind it: echo \"whsec_$(openssl rand -base64 32)\"" },
    { "monitoring: { alerts: { enabled: true, webhook_url: \"https://me@x/?a=1\", secret: whsec_AAAAAAAAAAAAAAAAAAAAAA== } }\n",
      "c.yaml:1:53: monitoring.alerts.webhook_url: the URL has a user name or password inside: use the api_key setting instead" },
    { "monitoring: { alerts: { enabled: true, webhook_url: \"https://x/?a= 1\", secret: whsec_AAAAAAAAAAAAAAAAAAAAAA== } }\n",
      "c.yaml:1:53: monitoring.alerts.webhook_url: has a blank or \"#\" in it" },
    { "monitoring: { alerts: { alert_on: [consecutive_failure] } }\n",
      "c.yaml:1:36: monitoring.alerts.alert_on: there is no such setting; did you mean \"consecutive_failures\"?" },
    { "monitoring: { alerts: { alert_on: often } }\n", "c.yaml:1:35: monitoring.alerts.alert_on: expected a mapping" },
    { "advanced: { shutdown_timeout: 2h }\n", "c.yaml:1:31: advanced.shutdown_timeout: \"2h\" is out of range: 0 to 1h" },
    { "connectors: [{ id: a, context_id: c, ingestion: { on_update: sometimes } }]\n",
      "c.yaml:1:62: connectors[0].ingestion.on_update: \"sometimes\" is not one of keep, replace" },
    { "connectors: [{ id: a, context_id: c, ingestion: { on_delete: always } }]\n",
      "c.yaml:1:62: connectors[0].ingestion.on_delete: \"always\" is not one of keep, confirm, propagate" },
    { "connectors: [{ id: a, context_id: c, ingestion: { auto_widen: wide } }]\n",
      "c.yaml:1:63: connectors[0].ingestion.auto_widen: \"wide\" is neither true nor false" },
    { "connectors: [{ id: a, context_id: c, ingestion: { query_range: year } }]\n",
      "c.yaml:1:64: connectors[0].ingestion.query_range: \"year\" is not one of day, week, month, all" },
    { "connectors: [{ id: a, context_id: c, ingestion: { query_limit: 0 } }]\n",
      "c.yaml:1:64: connectors[0].ingestion.query_limit: \"0\" is out of range: 1 to 100000000" },
    { "connectors: [{ id: a, context_id: c, ingestion: { max_concurrency: 17 } }]\n",
      "c.yaml:1:68: connectors[0].ingestion.max_concurrency: \"17\" is out of range: 1 to 16" },
    { "connectors: [{ id: a, context_id: c, ingestion: { filter: { types: [note, \"\"] } } }]\n",
      "c.yaml:1:68: connectors[0].ingestion.filter.types: one of them is empty" },
    { "connectors: [{ id: a, context_id: c, ingestion: { filter: { since: tomorrow } } }]\n",
      "c.yaml:1:68: connectors[0].ingestion.filter.since: \"tomorrow\" is no time: expected a date (2025-12-31) or RFC 3339 (2025-12-31T18:00:00Z)" },
    { "connectors: [{ id: a, context_id: c, ingestion: { filter: { until: 2025-02-29 } } }]\n",
      "c.yaml:1:68: connectors[0].ingestion.filter.until: \"2025-02-29\" is no time: expected a date (2025-12-31) or RFC 3339 (2025-12-31T18:00:00Z)" },
    { "connectors: [{ id: a, context_id: c, ingestion: { filter: { since: 2025-03-01, until: 2025-02-28T23:59:59Z } } }]\n",
      "c.yaml:1:87: connectors[0].ingestion.filter.until: is before since (2025-03-01): no memory would be taken" },
    { "connectors: [{ id: a, context_id: c, ingestion: { filter: { typs: [note] } } }]\n",
      "c.yaml:1:61: connectors[0].ingestion.filter.typs: there is no such setting; did you mean \"types\"?" },
    { "connectors: [{ id: a, context_id: c, transformation: { include_audio: true } }]\n",
      "c.yaml:1:71: connectors[0].transformation.include_audio: \"true\" is not possible: sound itself is out of scope, its transcript is sent; leave it at \"false\"" },
    { "connectors: [{ id: a, context_id: c, transformation: { include_image: true } }]\n",
      "c.yaml:1:71: connectors[0].transformation.include_image: \"true\" is not possible: pictures themselves are out of scope; leave it at \"false\"" },
    { "connectors: [{ id: a, context_id: c, transformation: { geocoding: true } }]\n",
      "c.yaml:1:67: connectors[0].transformation.geocoding: \"true\" is not possible: names of places are not looked up; leave it at \"false\"" },
    { "connectors: [{ id: a, context_id: c, transformation: { strategy: poor } }]\n",
      "c.yaml:1:66: connectors[0].transformation.strategy: \"poor\" is not one of standard, rich, template" },
    { "connectors: [{ id: a, context_id: c, transformation: { strategy: template } }]\n",
      "c.yaml:1:54: connectors[0].transformation.template: is missing: the strategy is template" },
    { "connectors: [{ id: a, context_id: c, transformation: { template: x } }]\n",
      "c.yaml:1:66: connectors[0].transformation.template: is not used: set strategy: template, or leave it out" },
    { "connectors: [{ id: a, context_id: c, transformation: { strategy: template, template: \"{{id}} {{colour}}\" } }]\n",
      "c.yaml:1:86: connectors[0].transformation.template: line 1, column 8 of the template: there is no field \"colour\"" },
    { "connectors:\n  - id: a\n    context_id: c\n    transformation:\n      strategy: template\n      template: |\n        {{id}}\n        {{#tags}}x\n",
      "c.yaml:6:17: connectors[0].transformation.template: line 2, column 1 of the template: the section of \"tags\" is not closed: {{/tags}} is missing" },
    { "connectors: [{ id: a, context_id: c, retry: { max_attempts: 0 } }]\n",
      "c.yaml:1:61: connectors[0].retry.max_attempts: \"0\" is out of range: 1 to 100" },
    /* schedules */
    { "connectors: [{ id: a, context_id: c, schedule: { type: hourly } }]\n",
      "c.yaml:1:56: connectors[0].schedule.type: \"hourly\" is not one of manual, interval, cron, auto" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval: soon } }]\n",
      "c.yaml:1:60: connectors[0].schedule.interval: \"soon\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval: 1e9 } }]\n",
      "c.yaml:1:60: connectors[0].schedule.interval: \"1e9\" is out of range: 1s to 3653d" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval: 1e9h } }]\n",
      "c.yaml:1:60: connectors[0].schedule.interval: \"1e9h\" is out of range: 1s to 3653d" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval_hours: 1e9 } }]\n",
      "c.yaml:1:66: connectors[0].schedule.interval_hours: \"1e9\" is out of range: 0 to 8784" },
    { "connectors: [{ id: a, context_id: c, schedule: { type: cron } }]\n",
      "c.yaml:1:48: connectors[0].schedule.cron: is missing: the type of this schedule is cron" },
    { "connectors: [{ id: a, context_id: c, schedule: { type: cron, cron: \"0 9\" } }]\n",
      "c.yaml:1:68: connectors[0].schedule.cron: schedule, column 1: \"0 9\" is no schedule: 2 fields; expected an interval (15m), cron (\"30 2 * * 1-5\"), "
      "@daily or manual, cron having five fields (minute hour day month weekday) or six (a second in front)" },
    { "connectors: [{ id: a, context_id: c, schedule: { type: cron, cron: \"0 9 * * 1-5; rm\" } }]\n",
      "c.yaml:1:68: connectors[0].schedule.cron: schedule, column 11, month: \"5;\" is no number: expected 1 to 12 or jan to dec, *, ranges 1-5, lists 1,2 and steps /5" },
    { "connectors: [{ id: a, context_id: c, schedule: { timezone: ../../etc/passwd } }]\n",
      "c.yaml:1:60: connectors[0].schedule.timezone: \"../../etc/passwd\" is no name of a time zone: expected one such as Europe/Berlin, America/New_York or UTC" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval: 1h, cron: '@daily' } }]\n",
      "c.yaml:1:48: connectors[0].schedule: has an interval and a cron expression: keep one, or say which by type" },
    { "connectors: [{ id: a, context_id: c, schedule: { interval: 1h, interval_hours: 2 } }]\n",
      "c.yaml:1:80: connectors[0].schedule.interval_hours: stands beside interval: give one of the two" },
    { "connectors: [{ id: a, context_id: c, schedule: { type: interval, interval_hours: 0.0001 } }]\n",
      "c.yaml:1:82: connectors[0].schedule.interval_hours: an interval is a whole number of seconds, from 1s to 10 years (3653d)" },
    { "connectors: [{ id: a, context_id: c, schedule: hourly }]\n", "c.yaml:1:48: connectors[0].schedule: expected a mapping" },
    /* YAML: what is twice, and what is not taken */
    { "memory_api: { timeout: 5 }\nmemory_api: { timeout: 6 }\n", "c.yaml:2:1: \"memory_api\" stands here twice" },
    { "http: { insecure: false, insecure: false }\n", "c.yaml:1:26: \"insecure\" stands here twice" },
    { "a: &x 1\nb: *x\n",
      "c.yaml:2:4: anchors and aliases are not taken: write the value out\nc.yaml:1:1: a: there is no such setting\nc.yaml:2:1: b: there is no such setting" },
    { "lightrag: &x { mode: api }\ntargets: { y: { <<: *x } }\n",
      "c.yaml:2:21: anchors and aliases are not taken: write the value out\nc.yaml:2:17: targets.y.<<: there is no such setting" },
    { "http: { ca_file: !!binary aGk= }\n", "c.yaml:1:18: tags (\"!...\") are not taken: put the text in quotes" },
    { "http: !ruby/object:Gem {}\n", "c.yaml:1:7: tags (\"!...\") are not taken: put the text in quotes" },
    { "- 1\n", "c.yaml:1:1: the file must be a mapping of settings (\"key: value\" lines)" },
    { "just words\n", "c.yaml:1:1: the file must be a mapping of settings (\"key: value\" lines)" },
    { "\"quoted\"\n", "c.yaml:1:1: the file must be a mapping of settings (\"key: value\" lines)" },
    { "http: {}\n---\nhttp: {}\n", "c.yaml:2:1: a second document (\"---\") stands here; one is taken" },
    { "? [1]\n: 2\n", "c.yaml:1:3: a key must be a plain word" },
    { "? { a: 1 }\n: 2\n", "c.yaml:1:3: a key must be a plain word" },
    /* YAML: what is no YAML */
    { "http: { ca_file: x\n", "c.yaml:1:7: a \",\" or \"}\" is missing: this \"{\" is not closed, or a text inside wants quotes" },
    { "http: [x\nlogging: {}\n", "c.yaml:1:7: a \",\" or \"]\" is missing: this \"[\" is not closed, or a text inside wants quotes" },
    { "http: { ca_file: 'x }\nlogging: {}\n", "c.yaml:1:18: this quote is never closed" },
    { "http: { ca_file: \"x\\qy\" }\n", "c.yaml:1:20: inside double quotes this backslash means nothing: use single quotes or \\\\" },
    { "http: { ca_file: @x }\n", "c.yaml:1:18: a value cannot begin with this character: put it in quotes" },
    { "http:\n  ca_file: `x`\n", "c.yaml:2:12: a value cannot begin with this character: put it in quotes" },
    { "http:\n  ca_file: %x\n", "c.yaml:2:12: a value cannot begin with this character: put it in quotes" },
    { "http:\n  ca_file: *.pem\n", "c.yaml:2:13: a value cannot begin with \"*\" or \"&\": put it in quotes" },
    { "http:\n  ca_file: a: b\n",
      "c.yaml:2:13: a \":\" stands where no setting can begin: does the text before it want quotes, or is this line indented too far?" },
    { "http:\n  ca_file: x\n   proxy: y\n",
      "c.yaml:3:9: a \":\" stands where no setting can begin: does the text before it want quotes, or is this line indented too far?" },
    { "http:\n  ca_file: x\n proxy: y\n",
      "c.yaml:3:2: no setting can begin here: is this line indented like its neighbours, and is every quote and bracket closed?" },
    { "http:\n  ca_file: x\n  proxy\n", "c.yaml:4:1: the \":\" behind a name is missing here or in the line above" },
    { "connectors:\n  - id: a\n    context_id: c\n   enabled: true\n",
      "c.yaml:4:4: no element of the list can begin here: is this line indented like the others?" },
    { "connectors: - id: a\n", "c.yaml:1:13: no list can begin here: put its \"- \" on a line of its own" },
    /* variables */
    { "http: { ca_file: ${NOT_SET} }\n",
      "c.yaml:1:18: http.ca_file: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-} for an empty default" },
    { "http:\n  ca_file: ${NOT_SET}\n",
      "c.yaml:2:12: http.ca_file: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-} for an empty default" },
    { "http: { ca_file: \"x${NOT_SET}y\" }\n",
      "c.yaml:1:18: http.ca_file: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-} for an empty default" },
    { "http: { ca_file: ${NOT_SET:?ask the operator: now, please} }\n",
      "c.yaml:1:18: http.ca_file: NOT_SET is not set: ask the operator: now, please" },
    { "http: { ca_file: ${NOT_SET:?} }\n", "c.yaml:1:18: http.ca_file: NOT_SET is not set" },
    { "http: { ca_file: \"${\" }\n", "c.yaml:1:18: http.ca_file: \"${\" is not closed; a literal one is written \"$${\"" },
    { "http: { ca_file: \"${}\" }\n",
      "c.yaml:1:18: http.ca_file: \"${}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal \"${\" is written \"$${\"" },
    { "http: { ca_file: \"${A!b}\" }\n",
      "c.yaml:1:18: http.ca_file: \"${A!b}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal \"${\" is written \"$${\"" },
    { "http: { ca_file: \"${A:b}\" }\n",
      "c.yaml:1:18: http.ca_file: \"${A:b}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal \"${\" is written \"$${\"" },
    { "http: { ca_file: \"${1A}\" }\n",
      "c.yaml:1:18: http.ca_file: \"${1A}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal \"${\" is written \"$${\"" },
    { "http: { ca_file: \"${A:-${HOME}}\" }\n", "c.yaml:1:18: http.ca_file: a variable cannot stand inside of ${A...}" },
    /* a key in the wrong place is not shown */
    { "http: { insecure: ${KEY} }\n", "c.yaml:1:19: http.insecure: the value is neither true nor false" },
    { "memory_api: { url: ${KEY} }\n", "c.yaml:1:20: memory_api.url: the value is not a URL such as http://localhost:9621" },
    { "memory_api: { timeout: ${KEY} }\n",
      "c.yaml:1:24: memory_api.timeout: the value is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
    /* values may carry terminal commands */
    { "memory_api: { timeout: \"\\e[31mred\" }\n",
      "c.yaml:1:24: memory_api.timeout: \"\\x1b[31mred\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
    { "\"\\e[31mred\": 1\n", "c.yaml:1:1: \\x1b[31mred: there is no such setting" },
    /* all at once */
    { "lightrag: { api: { ulr: x } }\nlogging: { level: loud }\nmemory_api: { timeout: x }\nconnectors: [{ id: a }]\n",
      "c.yaml:1:20: lightrag.api.ulr: there is no such setting; did you mean \"url\"?\n"
      "c.yaml:2:19: logging.level: \"loud\" is not one of debug, info, warn, error, off\n"
      "c.yaml:3:24: memory_api.timeout: \"x\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)\n"
      "c.yaml:4:14: connectors[0].context_id: is missing (the context of the Memory API that it reads)" },
};

static void join_problems(const struct config_problems *problems, struct text *out)
{
    for (size_t i = 0; i < problems->count; i++)
        (void)text_append_format(out, "%s%s%s", i > 0 ? "\n" : "", problems->items[i].is_warning ? "warning: " : "", problems->items[i].text);
}

static void test_bad_configurations(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_DONE(text) struct text said = { 0 };
        AUTO(config) struct config *config = NULL;
        struct config_request request = { .environment = environment, .text = rows[i].yaml, .file = "c.yaml" };
        struct error err = { 0 };
        int result = config_load(&request, &config, &problems, &err);
        text_init(&said, 0);
        join_problems(&problems, &said);
        if (result == 0 || config != NULL || err.kind != ERROR_CONFIG || problems.errors == 0)
            fail_msg("row %zu: taken: %s", i, rows[i].yaml);
        if (strcmp(said.data, rows[i].problems) != 0)
            fail_msg("row %zu: %s\nsaid %s\nwant %s", i, rows[i].yaml, said.data, rows[i].problems);
        if (strstr(said.data, "hunter2") != NULL)
            fail_msg("row %zu tells a secret", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_bad_configurations) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
