/* The run's log: numbered records in the form of `logcat -v threadtime`, to a file and to Android's log. */
#ifndef AUTOCOMET_LOG_H
#define AUTOCOMET_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "outcome.h"

enum { LOG_LINE_SIZE = 1024 };

struct log {
    int fd;
    const char *job;
    long long run;
    struct outcome *outcome; /* shared by parent and child: holds the number of lines so far */
};

/* A record in the making. Ends in one write, so a line is whole or absent. */
struct line {
    char text[LOG_LINE_SIZE];
    size_t length;
    size_t message; /* where the message begins, behind time, pid, tid and tag */
};

/* Begin a record with the run's next number. */
void line_begin(struct line *line, struct log *log, const char *record);

/* Add ` key=value`. A text is escaped (%XX) and cut to what the line holds. */
void line_whole(struct line *line, const char *key, long long value);
void line_real(struct line *line, const char *key, double value);
void line_text(struct line *line, const char *key, const char *value);

/* Add text as it is. Returns false, and adds nothing, where it does not fit. */
bool line_add(struct line *line, const char *text);

/* Write the record. Returns false with errno set where the file could not take it. */
bool line_end(struct line *line, struct log *log);

/* The same for the run's last record, which takes the checksum of all messages, its own included, with it. */
bool line_end_with_checksum(struct line *line, struct log *log);

#endif
