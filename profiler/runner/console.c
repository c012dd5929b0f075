#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool put(int fd, const char *format, va_list arguments) {
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

bool say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    bool heard = put(STDOUT_FILENO, format, arguments);
    va_end(arguments);
    return heard;
}

void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    put(STDERR_FILENO, format, arguments);
    va_end(arguments);
}
