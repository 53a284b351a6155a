#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_to(const char *socket_name, const char *words, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(socket_name);
    int fd;

    if ((socket_name[0] != '/' && socket_name[0] != '@') || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, socket_name, length);
    if (socket_name[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, words, size, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

void notify_say(const char *format, ...)
{
    const char *socket_name = getenv("NOTIFY_SOCKET");
    char words[512];
    va_list args;
    int size;

    if (socket_name == NULL)
        return;
    va_start(args, format);
    size = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (size > 0)
        send_to(socket_name, words, (size_t)size < sizeof words ? (size_t)size : sizeof words - 1);
}

static bool read_number(const char *text, int64_t *ret_number)
{
    char *end = NULL;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

int64_t notify_watchdog_ms(void)
{
    int64_t usec = 0;
    int64_t pid = 0;

    if (!read_number(getenv("WATCHDOG_USEC"), &usec) || usec < 2000)
        return 0;
    if (read_number(getenv("WATCHDOG_PID"), &pid) && pid != (int64_t)getpid())
        return 0;
    return usec / 2000;
}
