/* auto.h - clean-up that belongs to the declaration.
 *
 * AUTO(type) in front of a pointer calls type_free() when the scope is left; AUTO_DONE(type) in front of a struct calls
 * type_done(). TAKE(p) hands the value out and leaves NULL behind, so that the clean-up finds nothing.
 *
 *     AUTO(memory) struct memory *m = memory_new();
 *     ...
 *     *ret_memory = TAKE(m);
 *
 * Every type used so declares its helper once, below its _free or _done: AUTO_DEFINE(memory) or AUTO_DEFINE_DONE(text).
 * Destructors accept NULL and half-built objects. */
#ifndef MC_BASE_AUTO_H
#define MC_BASE_AUTO_H

#define AUTO(type) __attribute__((cleanup(type##_auto_free))) __attribute__((unused))
#define AUTO_DONE(type) __attribute__((cleanup(type##_auto_done))) __attribute__((unused))

#define AUTO_DEFINE(type)                                               \
    static inline __attribute__((unused)) void type##_auto_free(struct type **object) \
    {                                                                   \
        type##_free(*object);                                           \
    }
#define AUTO_DEFINE_DONE(type)                                          \
    static inline __attribute__((unused)) void type##_auto_done(struct type *object) \
    {                                                                   \
        type##_done(object);                                            \
    }

#define TAKE(pointer)                           \
    (__extension__({                            \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    }))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MC_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define MC_MUST_CHECK __attribute__((warn_unused_result))
#define MC_NORETURN __attribute__((noreturn))

#endif
