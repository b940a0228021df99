/* A Modbus TCP load generator on epoll: reads one block of holding registers
 * over and over on many connections, with a fixed number of requests in
 * flight on each, and checks every answer.
 *
 * usage: load_client host port connections in_flight seconds address count
 *
 * Prints one JSON line. An answer counts only if its transaction id is one
 * that is waited for and its protocol id, length, unit, function and byte
 * count are right; everything else is an error. Requests that are never
 * answered keep their place in the window and are reported as unanswered.
 * Only loopback addresses are taken: this is no tool against other machines.
 *
 * It never sleeps, so it wants a core of its own. Waking a sleeping process on
 * another core is paid by whoever sends, and on a virtual machine it can cost
 * more than answering: a server would be measured by how often its answers
 * happen to find us awake. `busy_share` says how much of the time there was
 * something to do; near 1 the generator is the limit.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 6,          /* transaction id, protocol id, length */
    REQUEST_BYTES = 12,        /* header, unit, function, address, count */
    ADU_BYTES_MAX = 260,       /* Modbus on TCP, implementation guide 4.1 */
    READ_HOLDING = 3,
    UNIT = 1,
    MAX_IN_FLIGHT = 64,        /* slot number: the low byte of a transaction id */
    INPUT_BYTES = 32768,       /* more than a whole window of replies */
    EVENTS = 512,
    HISTOGRAM_US = 1000000     /* one bucket a microsecond; the last one is "or more" */
};

static const uint64_t SECOND_NS = 1000000000u;
static const uint64_t WARM_UP_NS = 300000000u;   /* not counted */
static const uint64_t DRAIN_NS = 500000000u;     /* wait for the last answers */

struct slot {
    uint64_t sent_ns;
    uint16_t id;
    bool busy;
};

struct connection {
    int fd;
    size_t held;
    size_t queued;
    struct slot slots[MAX_IN_FLIGHT];
    uint8_t output[MAX_IN_FLIGHT * REQUEST_BYTES];
    uint8_t input[INPUT_BYTES];
};

static struct {
    int connections, in_flight, count;
    uint8_t request[REQUEST_BYTES];
    bool sending, counting;
    uint64_t requests, errors, idle_ns;
    uint32_t histogram[HISTOGRAM_US + 1];
} load;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void build_request(int address)
{
    uint8_t *r = load.request;
    r[5] = REQUEST_BYTES - HEADER_BYTES;
    r[6] = UNIT;
    r[7] = READ_HOLDING;
    r[8] = (uint8_t)(address >> 8);
    r[9] = (uint8_t)address;
    r[10] = (uint8_t)(load.count >> 8);
    r[11] = (uint8_t)load.count;
}

static void lose(struct connection *c)
{
    if (c->fd < 0)
        return;
    if (load.sending)
        load.errors++;
    close(c->fd);
    c->fd = -1;
}

/* One write for the whole batch. The window bounds what is unread at the
 * other end to a few hundred bytes, so the socket always has room for it. */
static void flush(struct connection *c)
{
    if (c->queued > 0 && send(c->fd, c->output, c->queued, MSG_NOSIGNAL) != (ssize_t)c->queued)
        lose(c);
    c->queued = 0;
}

/* Puts the next request of one slot into the connection's batch. The high
 * byte of the id changes each time, so a late answer never matches again. */
static void queue_request(struct connection *c, int number, uint64_t now)
{
    struct slot *s = &c->slots[number];
    s->id = (uint16_t)((((s->id >> 8) + 1) & 0xff) << 8 | number);
    s->sent_ns = now;
    s->busy = true;
    if (c->queued == sizeof c->output)
        flush(c);
    uint8_t *out = c->output + c->queued;
    memcpy(out, load.request, REQUEST_BYTES);
    out[0] = (uint8_t)(s->id >> 8);
    out[1] = (uint8_t)s->id;
    c->queued += REQUEST_BYTES;
}

static bool is_right(const uint8_t *answer, size_t bytes)
{
    size_t data = 2 * (size_t)load.count;
    return answer[2] == 0 && answer[3] == 0 && bytes == 9 + data && answer[6] == UNIT
        && answer[7] == READ_HOLDING && answer[8] == data;
}

static void take_answer(struct connection *c, const uint8_t *answer, size_t bytes, uint64_t now)
{
    int number = answer[1];
    uint16_t id = (uint16_t)(answer[0] << 8 | answer[1]);
    if (number >= load.in_flight || !c->slots[number].busy || c->slots[number].id != id) {
        load.errors++;
        return;
    }
    struct slot *s = &c->slots[number];
    s->busy = false;
    if (!is_right(answer, bytes))
        load.errors++;
    else if (load.counting) {
        uint64_t took_us = (now - s->sent_ns) / 1000;
        load.requests++;
        load.histogram[took_us < HISTOGRAM_US ? took_us : HISTOGRAM_US]++;
    }
    if (load.sending)
        queue_request(c, number, now);
}

static void receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->input + c->held, INPUT_BYTES - c->held, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(c);
        return;
    }
    c->held += (size_t)got;
    uint64_t now = now_ns();
    size_t used = 0;
    while (c->held - used >= HEADER_BYTES) {
        const uint8_t *answer = c->input + used;
        size_t bytes = HEADER_BYTES + ((size_t)answer[4] << 8 | answer[5]);
        if (bytes < 9 || bytes > ADU_BYTES_MAX) {
            lose(c);   /* where the next answer begins can no longer be known */
            return;
        }
        if (c->held - used < bytes)
            break;
        take_answer(c, answer, bytes, now);
        used += bytes;
    }
    c->held -= used;
    if (c->held > 0)
        memmove(c->input, c->input + used, c->held);
    flush(c);
}

static void open_connection(struct connection *c, int poller, const struct sockaddr_in *where)
{
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)where, sizeof *where) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int unblocked = fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (unblocked < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void run_until(int poller, uint64_t end_ns)
{
    uint64_t now, before = now_ns();
    for (; before < end_ns; before = now) {
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(poller, ready, EVENTS, 0);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = ready[i].data.ptr;
            if (c->fd >= 0)
                receive(c);
        }
        now = now_ns();
        if (count <= 0)
            load.idle_ns += now - before;
    }
}

static int percentile_us(double share)
{
    uint64_t wanted = (uint64_t)((double)load.requests * share), seen = 0;
    for (int us = 0; us < HISTOGRAM_US; us++)
        if ((seen += load.histogram[us]) > wanted)
            return us;
    return HISTOGRAM_US;
}

static uint64_t count_unanswered(const struct connection *all)
{
    uint64_t busy = 0;
    for (int i = 0; i < load.connections; i++)
        for (int number = 0; number < load.in_flight; number++)
            busy += all[i].slots[number].busy;
    return busy;
}

/* Takes the last answers in; what is still missing after that never comes. */
static void drain(int poller, const struct connection *all)
{
    uint64_t end = now_ns() + DRAIN_NS;
    while (count_unanswered(all) > 0 && now_ns() < end)
        run_until(poller, now_ns() + DRAIN_NS / 100);
}

static void allow_all_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fputs("usage: load_client host port connections in_flight seconds address count\n", stderr);
        return 2;
    }
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    double seconds = atof(argv[5]);
    load.connections = atoi(argv[3]);
    load.in_flight = atoi(argv[4]);
    load.count = atoi(argv[7]);
    if (inet_pton(AF_INET, argv[1], &where.sin_addr) != 1
        || ntohl(where.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
        fputs("host must be a loopback address, such as 127.0.0.1\n", stderr);
        return 2;
    }
    if (load.connections < 1 || load.in_flight < 1 || load.in_flight > MAX_IN_FLIGHT
        || seconds <= 0 || load.count < 1 || load.count > 125) {
        fputs("connections >= 1, in_flight 1 to 64, seconds > 0, count 1 to 125\n", stderr);
        return 2;
    }
    allow_all_files();
    build_request(atoi(argv[6]));
    struct connection *all = calloc((size_t)load.connections, sizeof *all);
    int poller = epoll_create1(0);
    if (all == NULL || poller < 0)
        die("start");
    for (int i = 0; i < load.connections; i++)
        open_connection(&all[i], poller, &where);

    load.sending = true;
    for (int i = 0; i < load.connections; i++) {
        for (int number = 0; number < load.in_flight; number++)
            queue_request(&all[i], number, now_ns());
        flush(&all[i]);
    }
    run_until(poller, now_ns() + WARM_UP_NS);
    load.counting = true;
    load.idle_ns = 0;
    uint64_t begin = now_ns();
    run_until(poller, begin + (uint64_t)(seconds * 1e9));
    double took = (double)(now_ns() - begin) / 1e9;
    double busy_share = 1 - (double)load.idle_ns / 1e9 / took;
    load.counting = load.sending = false;
    drain(poller, all);

    printf("{\"requests_per_s\": %.1f, \"requests\": %llu, \"seconds\": %.3f, \"errors\": %llu, "
           "\"unanswered\": %llu, \"p50_us\": %d, \"p99_us\": %d, \"busy_share\": %.3f}\n",
           (double)load.requests / took, (unsigned long long)load.requests, took,
           (unsigned long long)load.errors, (unsigned long long)count_unanswered(all),
           percentile_us(0.50), percentile_us(0.99), busy_share);
    free(all);
    return 0;
}
