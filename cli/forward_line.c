/* A serial line by termios, or standard input and output. */
#include "cli/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#define CHUNK 256 /* bytes written at a time: a pipe that is ready takes them without blocking */

/* X(bauds) */
#define SPEEDS(X)                                                                                            \
    X(1200)                                                                                                  \
    X(2400)                                                                                                  \
    X(4800)                                                                                                  \
    X(9600)                                                                                                  \
    X(19200)                                                                                                 \
    X(38400)                                                                                                 \
    X(57600)                                                                                                 \
    X(115200)                                                                                                \
    X(230400)                                                                                                \
    X(460800)                                                                                                \
    X(921600)                                                                                                \
    X(1000000)                                                                                               \
    X(2000000)

const char *const line_speeds[] = {
#define SPEED_WORD(bauds) #bauds,
    SPEEDS(SPEED_WORD) NULL};

static const speed_t speeds[] = {
#define SPEED_VALUE(bauds) B##bauds,
    SPEEDS(SPEED_VALUE)};

static bool is_standard(const struct line *line)
{
    return strcmp(line->path, "-") == 0;
}

static int set_up(int fd, speed_t speed)
{
    struct termios settings;

    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || tcgetattr(fd, &settings) < 0)
        return -1;
    cfmakeraw(&settings);
    settings.c_cflag &= ~(tcflag_t)(CSTOPB | PARENB | CRTSCTS | HUPCL); /* HUPCL would reset the board */
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (cfsetispeed(&settings, speed) < 0 || cfsetospeed(&settings, speed) < 0 ||
        tcsetattr(fd, TCSANOW, &settings) < 0)
        return -1;
    return tcflush(fd, TCIOFLUSH);
}

int line_open(struct line *line)
{
    int error;
    int fd;

    if (is_standard(line)) {
        line->in = STDIN_FILENO;
        line->out = STDOUT_FILENO;
        return 0;
    }
    fd = open(line->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (set_up(fd, speeds[line->speed]) < 0) {
        error = errno;
        close(fd);
        return error;
    }
    line->in = fd;
    line->out = fd;
    return 0;
}

void line_close(struct line *line)
{
    if (line->in >= 0 && !is_standard(line))
        close(line->in);
    line->in = -1;
    line->out = -1;
}

static int result(ssize_t done)
{
    if (done > 0)
        return (int)done;
    return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int line_read(struct line *line, void *buffer, size_t size)
{
    return result(read(line->in, buffer, size));
}

int line_write(struct line *line, const void *bytes, size_t len)
{
    return result(write(line->out, bytes, len < CHUNK ? len : CHUNK));
}
