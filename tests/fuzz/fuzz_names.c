/* Document names: what is encoded comes back; what comes back encodes to the same name; no name has a character that a server changes. */
#include "memory/identity.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const char *name)
{
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };
    AUTO_DONE(text) struct text again = { 0 };

    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&id, 0);
    text_init(&again, 0);
    if (!identity_parse_name(name, &source, &context, &id))
        return;
    if (strlen(context.data) != context.size || strlen(source.data) != source.size)
        return; /* a NUL in a context: our own interface does not make those */
    identity_document_name(&again, source.data, context.data, (struct slice){ id.data, id.size });
    if (strcmp(again.data, name) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_DONE(text) struct text name = { 0 };
    AUTO_DONE(text) struct text raw = { 0 };
    AUTO_DONE(text) struct text part = { 0 };
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text id = { 0 };

    if (size == 0)
        return 0;
    text_init(&name, 0);
    text_init(&raw, 0);
    text_init(&part, 0);
    text_init(&source, 0);
    text_init(&id, 0);
    identity_document_name(&name, "default", "ctx", (struct slice){ (const char *)data, size });
    for (size_t i = 0; i < name.size; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-~%", name.data[i]) == NULL)
            abort();
    if (!identity_parse_name(name.data, &source, &part, &id)) {
        if (name.size != strlen("memory~ctx~") + 80 + 1 + 32) /* only a shortened name does not lead back */
            abort();
    } else if (id.size != size || memcmp(id.data, data, size) != 0) {
        abort();
    }
    (void)text_append_bytes(&raw, data, size);
    round_trip(raw.data);
    return 0;
}
