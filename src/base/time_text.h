/* time_text.h - instants as text and back; no locale, no TZ.
 *
 * An instant is milliseconds since 1970-01-01T00:00:00Z (proleptic Gregorian), years 0000 to 9999. */
#ifndef MC_BASE_TIME_TEXT_H
#define MC_BASE_TIME_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIME_TEXT_SIZE = 40 }; /* enough for every text below */

/* RFC 3339 with fraction (any number of digits, cut to ms) and offset; also naive "2006-01-02T15:04:05" (taken as UTC), a
 * blank for the T, lower case t and z. A leap second :60 becomes the following second. false: not a time; untouched. */
bool time_text_parse(const char *text, size_t size, int64_t *ret_ms);

/* HTTP dates (RFC 9110, the three forms), for Date and Retry-After. false: none; untouched. */
bool time_text_parse_http_date(const char *text, int64_t *ret_ms);

void time_text_rfc3339(int64_t ms, char ret_text[TIME_TEXT_SIZE]);        /* 2025-12-18T14:30:00Z, with .mmm unless 0 */
void time_text_english(int64_t ms, char ret_text[TIME_TEXT_SIZE]);        /* December 18, 2025 at 02:30 PM UTC */
void time_text_http_date(int64_t ms, char ret_text[TIME_TEXT_SIZE]);      /* Thu, 18 Dec 2025 14:30:00 GMT */

/* "12s", "3m 20s", "2h 5m", "4d 3h": for people. */
void time_text_duration(int64_t ms, char ret_text[TIME_TEXT_SIZE]);

struct time_fields { int year, month, day, hour, minute, second, millisecond, weekday; }; /* weekday: 0 = Sunday */
void time_text_fields(int64_t ms, struct time_fields *ret_fields);

#endif
