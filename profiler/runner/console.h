/* What the runner says to whoever started it. Each goes out in one write; stdio would be the parent's largest part. */
#ifndef AUTOCOMET_CONSOLE_H
#define AUTOCOMET_CONSOLE_H

#include <stdbool.h>

/* To stdout. False where nobody reads any more. */
__attribute__((format(printf, 1, 2))) bool say(const char *format, ...);

/* To stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
