/* deliver_pages.c - the pages of a walk over the listing: which is asked next, and which rows could not be read.
 *
 * LightRAG 1.4 answers 500 to every page that holds a document without a source. Such a page is asked in smaller ones, down to ten rows, the least that
 * the server takes; behind the bad place the pages grow again. Position is counted in rows, so that every size goes on where the last one ended.
 * What remains is a stretch of rows that nobody can read. Its ends are narrowed further by pages that end or begin inside of the ten: a page may
 * begin at any multiple of its size, counted from the newest row or from the oldest. Where that leaves one row, it is the one without a source, and
 * not ours.
 *
 * What was read counts. Absence is proven only where the stretch cannot hold the row: it is no newer than the oldest row that was read before it. */
#include "delivery/deliver_internal.h"

#include "base/mem.h"

#include <assert.h>

enum {
    LEAST_PAGE = 10,
    NARROWINGS = 20,   /* stretches of one walk that are narrowed: each costs about seven pages */
    UNTOLD_PAGES = 50, /* 500s in a row that do not say why: it is not the rows */
};

static const int sizes[] = { LISTING_PAGE_SIZE, 100, 50, LEAST_PAGE }; /* each a multiple of the next */

static int smaller_size(int size)
{
    for (size_t i = 0; i + 1 < ARRAY_LENGTH(sizes); i++)
        if (sizes[i] == size)
            return sizes[i + 1];
    return LEAST_PAGE;
}

/* One step larger, where a page of that size can begin. */
static int larger_size(int size, int64_t at)
{
    for (size_t i = ARRAY_LENGTH(sizes); i-- > 1;)
        if (sizes[i] == size && at % sizes[i - 1] == 0)
            return sizes[i - 1];
    return size;
}

/* ---- Asking ---- */

/* The page of that size that begins at row start; from and to: which of its rows are new. */
static void ask(struct deliver *deliver, int64_t start, int size, int64_t from, int64_t to)
{
    struct walk_pages *pages = &deliver->pages;

    pages->oldest_first = false;
    pages->from = from;
    pages->to = to;
    pages->row = start;
    deliver_command_page(deliver, start / size + 1, size, false);
}

/* The same, where a page of that size begins there only when rows are counted from the oldest one. */
static void ask_oldest_first(struct deliver *deliver, int64_t start, int size, int64_t from, int64_t to)
{
    struct walk_pages *pages = &deliver->pages;
    int64_t old = deliver->walk_total - (start + size);

    assert(size > 0);
    pages->oldest_first = true;
    pages->from = from;
    pages->to = to;
    pages->row = deliver->walk_total - 1 - old;
    deliver_command_page(deliver, old / size + 1, size, true);
}

static void ask_next(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    pages->phase = PAGES_READ;
    ask(deliver, pages->at, pages->step, pages->at, INT64_MAX);
}

void deliver_pages_begin(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    *pages = (struct walk_pages){ .step = LISTING_PAGE_SIZE, .places = pages->places, .place_capacity = pages->place_capacity };
    ask_next(deliver);
}

/* Pages that narrow a stretch repeat rows on either side of it. */
bool deliver_pages_take_row(struct deliver *deliver, const struct sink_row *row)
{
    struct walk_pages *pages = &deliver->pages;
    int64_t place = pages->oldest_first ? pages->row-- : pages->row++;

    if (place < pages->from || place >= pages->to)
        return false;
    if (pages->is_hiding && pages->phase != PAGES_FRONT && deliver_created_us(row) > pages->stretch.back_us)
        pages->stretch.back_us = deliver_created_us(row);
    return true;
}

/* ---- Narrowing a stretch ---- */

/* The least size of a page that can begin, or end, so many rows from an end of the listing; 0: none. */
static int size_for(int64_t edge)
{
    for (int size = LEAST_PAGE; size <= LISTING_PAGE_SIZE && size <= edge; size++)
        if (edge % size == 0)
            return size;
    return 0;
}

static int size_from_oldest(const struct deliver *deliver, int64_t edge)
{
    return deliver->walk_total > edge ? size_for(deliver->walk_total - edge) : 0;
}

static bool is_edge(const struct deliver *deliver, int64_t edge)
{
    return edge > deliver->pages.low && edge < deliver->pages.high && (size_for(edge) > 0 || size_from_oldest(deliver, edge) > 0);
}

/* Of the rows between low and high where a page can begin or end the one nearest to the middle; 0: none is left. */
static int64_t pick_edge(const struct deliver *deliver)
{
    int64_t middle = (deliver->pages.low + deliver->pages.high) / 2;

    for (int64_t away = 0; away < LEAST_PAGE; away++) {
        if (is_edge(deliver, middle - away))
            return middle - away;
        if (is_edge(deliver, middle + away))
            return middle + away;
    }
    return 0;
}

/* false: no page ends there that was not tried. */
static bool ask_front(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;
    int64_t edge = pick_edge(deliver);
    int size = size_for(edge);

    if (edge == 0)
        return false;
    pages->phase = PAGES_FRONT;
    if (size > 0)
        ask(deliver, edge - size, size, pages->low, edge);
    else
        ask_oldest_first(deliver, edge - size_from_oldest(deliver, edge), size_from_oldest(deliver, edge), pages->low, edge);
    return true;
}

static bool ask_back(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;
    int64_t edge = pick_edge(deliver);
    int size = size_for(edge);

    if (edge == 0)
        return false;
    pages->phase = PAGES_BACK;
    if (size > 0)
        ask(deliver, edge, size, edge, pages->high);
    else
        ask_oldest_first(deliver, edge, size_from_oldest(deliver, edge), edge, pages->high);
    return true;
}

static void begin_stretch(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    pages->is_hiding = true;
    pages->stretch = (struct deliver_hidden){ .front_us = deliver->walk_oldest_us, .back_us = INT64_MIN };
    pages->stretch_from = pages->at;
    pages->stretch_total = deliver->walk_total;
    pages->stretch_is_told = true;
    pages->narrowings++;
}

/* The page of ten at pages->at could not be read, and its front is as near as it gets. */
static void pass_ten(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    pages->stretch.pages++;
    deliver->walk_rows += LEAST_PAGE;
    pages->at += LEAST_PAGE;
    ask_next(deliver);
}

/* Every page that failed has one row that is not ours at least. Where rows came meanwhile, pages have moved, and that does not count. */
static void end_stretch(struct deliver *deliver, int64_t to)
{
    struct walk_pages *pages = &deliver->pages;
    struct deliver_hidden *place = &pages->stretch;

    pages->is_hiding = false;
    if (deliver->walk_total >= 0 && to > deliver->walk_total)
        to = deliver->walk_total;
    place->rows = to - pages->stretch_from;
    if (place->rows <= 0)
        return;
    place->may_be_ours = place->rows;
    if (pages->stretch_is_told && deliver->walk_total >= 0 && pages->stretch_total == deliver->walk_total)
        place->may_be_ours = place->rows > place->pages ? place->rows - place->pages : 0;
    pages->places = mem_grow(pages->places, pages->place_count, &pages->place_capacity, sizeof *pages->places);
    pages->places[pages->place_count++] = *place;
}

/* ---- Answers ---- */

static enum pages_end go_on(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    if (!pages->has_next || deliver->walk_oldest_ms < deliver->walk_since_ms)
        return PAGES_OVER;
    ask_next(deliver);
    return PAGES_ASKED;
}

/* The page at pages->at was read. Behind a stretch its end is narrowed first. */
static enum pages_end pass_page(struct deliver *deliver, const struct sink_page *page)
{
    struct walk_pages *pages = &deliver->pages;
    int64_t begin = pages->at;

    deliver->walk_rows += page->rows;
    pages->has_next = page->has_next;
    pages->at += pages->step;
    pages->step = larger_size(pages->step, pages->at);
    if (!pages->is_hiding)
        return go_on(deliver);
    pages->low = begin - LEAST_PAGE > pages->stretch_from ? begin - LEAST_PAGE : pages->stretch_from;
    pages->high = begin;
    if (pages->narrowings <= NARROWINGS && ask_back(deliver))
        return PAGES_ASKED;
    end_stretch(deliver, begin);
    return go_on(deliver);
}

static enum pages_end fail(struct deliver *deliver, bool is_told);

enum pages_end deliver_pages_read(struct deliver *deliver, const struct sink_page *page)
{
    struct walk_pages *pages = &deliver->pages;

    if (pages->oldest_first && page->total != pages->stretch_total)
        return fail(deliver, true); /* rows came: from the other end, these were not the ones that were meant */
    pages->is_checked = false;
    pages->untold = 0;
    switch (pages->phase) {
    case PAGES_FRONT:
        pages->low = pages->stretch_from = pages->to;
        pages->stretch.front_us = deliver->walk_oldest_us;
        if (deliver->walk_oldest_ms < deliver->walk_since_ms)
            return PAGES_OVER; /* what is behind is older still */
        if (!ask_front(deliver))
            pass_ten(deliver);
        return PAGES_ASKED;
    case PAGES_BACK:
        pages->high = pages->from;
        if (ask_back(deliver))
            return PAGES_ASKED;
        end_stretch(deliver, pages->high);
        return go_on(deliver);
    default:
        return pass_page(deliver, page);
    }
}

static void fail_read(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;
    bool is_first = !pages->is_hiding;

    if (pages->step > LEAST_PAGE) {
        pages->step = smaller_size(pages->step);
        ask_next(deliver);
        return;
    }
    if (is_first)
        begin_stretch(deliver);
    pages->low = pages->at;
    pages->high = pages->at + LEAST_PAGE;
    if (!is_first || pages->narrowings > NARROWINGS || !ask_front(deliver))
        pass_ten(deliver);
}

static enum pages_end fail(struct deliver *deliver, bool is_told)
{
    struct walk_pages *pages = &deliver->pages;

    switch (pages->phase) {
    case PAGES_FRONT:
        pages->high = pages->to;
        if (!ask_front(deliver))
            pass_ten(deliver);
        break;
    case PAGES_BACK:
        pages->low = pages->from;
        if (ask_back(deliver))
            break;
        end_stretch(deliver, pages->high);
        return go_on(deliver);
    default:
        fail_read(deliver);
        break;
    }
    pages->stretch_is_told = pages->stretch_is_told && is_told;
    return PAGES_ASKED;
}

/* A 500 that does not say why may be the server's own trouble: /documents/status_counts tells, and how many rows there are. */
enum pages_end deliver_pages_failed(struct deliver *deliver, const struct sink_page *page, const struct sink_verdict *verdict)
{
    struct walk_pages *pages = &deliver->pages;

    if (deliver->dialect != SINK_14 || verdict->scope != SINK_FAILING || verdict->status != 500)
        return PAGES_BROKEN;
    pages->is_told = page->has_sourceless;
    pages->untold = pages->is_told ? 0 : pages->untold + 1;
    if (pages->untold > UNTOLD_PAGES)
        return PAGES_BROKEN;
    if (pages->is_checked || (pages->is_told && deliver->walk_total >= 0))
        return fail(deliver, pages->is_told);
    deliver_command(deliver, DELIVER_CHECK_COUNTS, 0, 0, NULL);
    return PAGES_ASKED;
}

enum pages_end deliver_pages_checked(struct deliver *deliver, const struct sink_counts *counts, bool is_well)
{
    deliver->pages.is_checked = is_well;
    if (deliver->walk_total < 0 && counts->all > 0)
        deliver->walk_total = counts->all;
    return is_well ? fail(deliver, deliver->pages.is_told) : PAGES_BROKEN;
}

/* ---- What follows ---- */

int64_t deliver_reach(int64_t first_sent_server_ms)
{
    return first_sent_server_ms > 0 ? first_sent_server_ms - LOOK_MARGIN_MS : INT64_MIN;
}

/* What lies beyond all times stays there. */
int64_t deliver_us(int64_t ms)
{
    if (ms > INT64_MAX / 1000 - 1)
        return INT64_MAX;
    return ms < INT64_MIN / 1000 ? INT64_MIN : ms * 1000;
}

int64_t deliver_created_us(const struct sink_row *row)
{
    int64_t us = row->created_ms < 0 ? -1 : deliver_us(row->created_ms);

    return us < 0 || us == INT64_MAX ? us : us + row->created_rest_us;
}

bool deliver_hides(const struct deliver_hidden *hidden, int64_t since_ms)
{
    return hidden->may_be_ours > 0 && hidden->front_us >= deliver_us(since_ms);
}

bool deliver_may_hide(const struct deliver *deliver, int64_t since_us, int64_t until_us)
{
    for (size_t i = 0; i < deliver->pages.place_count; i++) {
        const struct deliver_hidden *place = &deliver->pages.places[i];
        if (place->may_be_ours > 0 && place->front_us >= since_us && place->back_us <= until_us)
            return true;
    }
    return false;
}

/* Of a walk that is over. Where a row did not say when it was made, the order says nothing. */
void deliver_pages_sum_up(struct deliver *deliver)
{
    struct walk_pages *pages = &deliver->pages;

    deliver->unreadable_rows = deliver->unreadable_pages = 0;
    for (size_t i = 0; i < pages->place_count; i++) {
        deliver->unreadable_rows += pages->places[i].rows;
        deliver->unreadable_pages += pages->places[i].pages;
        if (!deliver->walk_is_undated)
            continue;
        pages->places[i].front_us = INT64_MAX;
        pages->places[i].back_us = INT64_MIN;
    }
}

void deliver_say_unreadable(const struct deliver *deliver, char *ret_words, size_t size)
{
    int64_t rows = deliver->unreadable_rows;
    int64_t pages = deliver->unreadable_pages;

    (void)snprintf(ret_words, size, "LightRAG 1.4 cannot list %lld of its documents (%lld page%s of ten): one without a source is among them. Delete those without a source there "
                                    "(docs/troubleshooting.md tells how they are found), or upgrade LightRAG to 1.5",
                   (long long)rows, (long long)pages, pages == 1 ? "" : "s");
}
