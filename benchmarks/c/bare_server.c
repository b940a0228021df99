/* The floor under every server: epoll and nothing else.
 *
 * Answers any read request with a reply of one fixed size, copying only the
 * transaction id, the unit and the function from the question. It keeps no
 * registers and checks no addresses, so whatever the load generator reaches
 * here is the generator's own limit, and a client measured against it is
 * measured against a peer that costs next to nothing. It never sleeps, for the
 * reason given in load_client.c: no client shall pay for waking it.
 *
 * usage: bare_server [register_count=100]
 * prints "PORT n" when it listens on 127.0.0.1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 6,         /* transaction id, protocol id, length */
    REQUEST_BYTES = 12,       /* header, unit, function, address, count */
    MAX_REGISTERS = 125,      /* the longest read Modbus allows */
    REPLY_BYTES_MAX = 9 + 2 * MAX_REGISTERS,
    REQUESTS_PER_READ = 256,  /* more than any load we apply in one segment */
    EVENTS = 512,
    BACKLOG = 4096
};

/* A request can arrive split: what is left over waits here for the rest. */
struct connection {
    int fd;
    size_t held;
    uint8_t input[REQUESTS_PER_READ * REQUEST_BYTES];
};

static uint8_t reply[REPLY_BYTES_MAX];
static size_t reply_bytes;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void build_reply(int registers)
{
    reply_bytes = 9 + 2 * (size_t)registers;
    size_t length = reply_bytes - HEADER_BYTES;
    reply[4] = (uint8_t)(length >> 8);
    reply[5] = (uint8_t)length;
    reply[8] = (uint8_t)(2 * registers);
    for (int i = 0; i < registers; i++)
        reply[10 + 2 * i] = (uint8_t)i;
}

static int listen_on_loopback(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&where, size) < 0 || listen(fd, BACKLOG) < 0)
        die("listen");
    if (getsockname(fd, (struct sockaddr *)&where, &size) < 0)
        die("getsockname");
    printf("PORT %d\n", ntohs(where.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_all(int poller, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *made = malloc(sizeof *made);
        if (made == NULL)
            die("malloc");
        made->fd = fd;
        made->held = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = made};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept4");
}

/* Answers every whole request held; the incomplete tail stays. */
static int answer(struct connection *c)
{
    static uint8_t output[REQUESTS_PER_READ * REPLY_BYTES_MAX];
    size_t used = 0, filled = 0;
    while (c->held - used >= REQUEST_BYTES) {
        const uint8_t *request = c->input + used;
        uint8_t *out = output + filled;
        memcpy(out, reply, reply_bytes);
        out[0] = request[0];
        out[1] = request[1];
        out[6] = request[6];
        out[7] = request[7];
        used += REQUEST_BYTES;
        filled += reply_bytes;
    }
    c->held -= used;
    if (c->held > 0)
        memmove(c->input, c->input + used, c->held);
    /* The load keeps a bounded window, far below the socket's buffer: a short
     * write means a client that stopped reading, and it is let go. */
    return filled == 0 || send(c->fd, output, filled, MSG_NOSIGNAL) == (ssize_t)filled;
}

static void serve(struct connection *c)
{
    ssize_t got = recv(c->fd, c->input + c->held, sizeof c->input - c->held, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        c->held += (size_t)got;
        if (answer(c))
            return;
    }
    close(c->fd);
    free(c);
}

int main(int argc, char **argv)
{
    int registers = argc > 1 ? atoi(argv[1]) : 100;
    if (registers < 1 || registers > MAX_REGISTERS) {
        fprintf(stderr, "register_count must be 1 to %d\n", MAX_REGISTERS);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    build_reply(registers);
    int poller = epoll_create1(0);
    int listener = listen_on_loopback();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll");
    for (;;) {
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(poller, ready, EVENTS, 0);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (ready[i].data.ptr == NULL)
                accept_all(poller, listener);
            else
                serve(ready[i].data.ptr);
        }
    }
}
