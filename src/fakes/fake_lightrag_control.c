/* fake_lightrag_control.c - POST /_fake/control: the faults that tests script; fake_lightrag.h lists them. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct knob { const char *name; int64_t *number; char **word; bool *is_on; };
struct deed { int64_t busy_ms, age_s; bool restart, wipe; };   /* what happens once, after all knobs are turned */
enum { KNOBS_MAXIMUM = 40 };

static size_t list_knobs(struct fake_lightrag *fake, struct deed *deed, struct knob knobs[KNOBS_MAXIMUM])
{
    const struct knob all[] = {
        { "drop_every", &fake->drop_every, NULL, NULL }, { "drop_times", &fake->drop_times, NULL, NULL }, { "drop_path", NULL, &fake->drop_path, NULL },
        { "fail_match", NULL, &fake->fail_match, NULL }, { "fail_times", &fake->fail_times, NULL, NULL }, { "empty_match", NULL, &fake->empty_match, NULL },
        { "error_match", NULL, &fake->error_match, NULL }, { "delete_fail_match", NULL, &fake->delete_fail_match, NULL },
        { "lost_deletes", &fake->lost_deletes, NULL, NULL }, { "busy_ms", &deed->busy_ms, NULL, NULL }, { "age_s", &deed->age_s, NULL, NULL },
        { "times", &fake->fault_times, NULL, NULL }, { "status", &fake->fault_status, NULL, NULL }, { "retry_after", NULL, &fake->retry_after, NULL },
        { "html", NULL, NULL, &fake->fault_html }, { "word", NULL, &fake->status_word, NULL }, { "path", NULL, &fake->fault_path, NULL },
        { "row_word", NULL, &fake->row_word, NULL }, { "max_pending", &fake->max_pending, NULL, NULL },
        { "store_delay_ms", &fake->settings.store_delay_ms, NULL, NULL }, { "store_item_ms", &fake->store_item_ms, NULL, NULL },
        { "process_delay_ms", &fake->settings.process_delay_ms, NULL, NULL }, { "delete_delay_ms", &fake->delete_delay_ms, NULL, NULL },
        { "latency_ms", &fake->latency_ms, NULL, NULL }, { "restart", NULL, NULL, &deed->restart }, { "wipe", NULL, NULL, &deed->wipe },
        { "workspace", NULL, &fake->workspace, NULL }, { "core_version", NULL, &fake->core_version, NULL }, { "api_key", NULL, &fake->api_key, NULL },
        { "account", NULL, &fake->account, NULL }, { "token_life_s", &fake->token_life_s, NULL, NULL }, { "token_series", &fake->token_series, NULL, NULL },
        { "renews_token", NULL, NULL, &fake->renews_token }, { "recovery", NULL, NULL, &fake->wants_recovery }, { "date_shift_s", &fake->date_shift_s, NULL, NULL },
    };
    _Static_assert(ARRAY_LENGTH(all) <= KNOBS_MAXIMUM, "too many knobs");

    memcpy(knobs, all, sizeof all);
    return ARRAY_LENGTH(all);
}

static bool turn_knob(const struct knob *knob, yyjson_val *value)
{
    if (knob->number != NULL && yyjson_is_int(value))
        *knob->number = yyjson_get_sint(value);
    else if (knob->is_on != NULL && yyjson_is_bool(value))
        *knob->is_on = yyjson_is_true(value);
    else if (knob->word != NULL && yyjson_is_str(value)) {
        mem_free(*knob->word);
        *knob->word = mem_copy_string(yyjson_get_str(value));
    } else {
        return false;
    }
    return true;
}

static bool turn_all(struct fake_lightrag *fake, yyjson_val *root, struct deed *deed)
{
    struct knob knobs[KNOBS_MAXIMUM];
    size_t knob_count = list_knobs(fake, deed, knobs);
    size_t index, count;
    yyjson_val *key, *value;

    if (yyjson_obj_get(root, "times") != NULL)
        fake->fault_html = false; /* a new fault, not a mixture with the last one */
    yyjson_obj_foreach(root, index, count, key, value) {
        bool is_known = false;
        for (size_t i = 0; i < knob_count; i++)
            if (strcmp(knobs[i].name, yyjson_get_str(key)) == 0)
                is_known = turn_knob(&knobs[i], value);
        if (!is_known)
            return false;
    }
    return true;
}

void fake_answer_control(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = fake_read_body(request, answer);
    struct deed deed = { .busy_ms = -1 };
    bool is_known = document != NULL && turn_all(fake, yyjson_doc_get_root(document), &deed);

    yyjson_doc_free(document);
    if (document == NULL)
        return;
    if (!is_known) {
        fake_say(answer, 422, "no such knob, or not such a value");
        return;
    }
    if (deed.busy_ms >= 0)
        fake->blocked_until_ms = fake->now_ms + deed.busy_ms;
    for (int64_t i = 0; i < fake->count; i++)
        fake->docs[i].created_us -= deed.age_s * 1000000;
    if (deed.restart)
        fake_store_restart(fake);
    if (deed.wipe) {
        fake_store_wipe(fake);
        fake_disk_wipe(fake);
    }
    (void)text_append(&answer->body, "{}");
}

bool fake_spoil(struct fake_lightrag *fake, struct http_server_answer *answer)
{
    if (fake->fault_times <= 0)
        return false;
    fake->fault_times--;
    if (fake->retry_after[0] != '\0') {
        (void)snprintf(fake->header, sizeof fake->header, "Retry-After: %s", fake->retry_after);
        answer->headers[0] = fake->header;
    }
    if (fake->fault_html) {
        answer->content_type = "text/html";
        (void)text_append(&answer->body, "<!DOCTYPE html><html><body>hello</body></html>");
    } else {
        fake_say(answer, (int)(fake->fault_status > 0 ? fake->fault_status : 500), "scripted fault");
    }
    return true;
}
