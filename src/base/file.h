/* file.h - private files and folders. */
#ifndef MC_BASE_FILE_H
#define MC_BASE_FILE_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes the folder and its parents, 0700 those it makes. */
int file_make_folder(const char *path, struct error *err);

/* Reads a whole file of at most maximum bytes. Fails with ERROR_CONFIG and the path; a folder, a missing file and a too large one are
 * told apart in the message. "-" is standard input. */
int file_read(const char *path, size_t maximum, struct text *text, struct error *err);

/* New file, synced, renamed over the old one, folder synced; a failure leaves the last good one. mode e.g. 0600. */
int file_replace(const char *path, const void *bytes, size_t size, unsigned mode, struct error *err);

/* A new private file (0600) that write fills: under a passing name (.part) until it is whole and synced. A path that is there already is refused with
 * ERROR_CONFLICT, unless over; what is no file (a folder, a device) always. A failure leaves nothing, and the last good one. */
int file_build(const char *path, bool over, int (*write)(void *context, int fd, const char *name, struct error *err), void *context, struct error *err);

/* The whole of bytes, whatever interrupts. */
int file_write(int fd, const char *name, const void *bytes, size_t size, struct error *err);

/* So that a name that was made, moved or removed there is so for good. 0, or -1 with errno. */
int file_sync_folder_of(const char *path);

/* A lock that ends with the process (flock: it belongs to the open file, not to the process's table of files). Writes pid and host name into
 * the file. -1 with ERROR_CONFLICT and the holder's words when somebody has it. *ret_fd is kept open for as long as the lock. */
int file_lock(const char *path, int *ret_fd, struct error *err);

/* Who holds it, as file_lock wrote it down, without taking or making it: "" when nobody does. The look is a shared lock for a moment. */
void file_lock_holder(const char *path, struct text *ret_words);

/* Can a file be made in this folder, written and synced? Leaves nothing behind (Linux: it never has a name). -1 with ERROR_IO and the remedy. */
int file_try_folder(const char *folder, struct error *err);

int64_t file_free_bytes(const char *folder); /* for unprivileged users; -1 when unknown */
bool file_is_readable_by_others(const char *path); /* by everybody; a group may be meant to (0640 root:memory-connector) */

#endif
