/* A server the way libmodbus means it: select() over all sockets, one
 * modbus_receive() and one modbus_reply() for each that is readable.
 *
 * usage: libmodbus_server
 * prints "PORT n" when it listens on 127.0.0.1. Holds 1,000 registers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REGISTERS = 1000, BACKLOG = 1024 };

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void print_port(int listener)
{
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    if (getsockname(listener, (struct sockaddr *)&where, &size) < 0)
        die("getsockname");
    printf("PORT %d\n", ntohs(where.sin_port));
    fflush(stdout);
}

/* libmodbus sets TCP_NODELAY when it connects but not when it accepts. With
 * several requests in flight Nagle's rule would hold its replies back, so we
 * give it the option it would want. */
static int accept_one(modbus_t *ctx, int listener)
{
    int on = 1;
    int fd = modbus_tcp_accept(ctx, &listener);
    if (fd >= FD_SETSIZE) {
        close(fd);
        return -1;
    }
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int main(void)
{
    /* libmodbus reads port 0 as "the system chooses". */
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    if (ctx == NULL || map == NULL)
        die("modbus_new");
    for (int i = 0; i < REGISTERS; i++)
        map->tab_registers[i] = (uint16_t)i;
    int listener = modbus_tcp_listen(ctx, BACKLOG);
    if (listener < 0)
        die("modbus_tcp_listen");
    print_port(listener);

    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(listener, &watched);
    int highest = listener;
    for (;;) {
        fd_set ready = watched;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0)
            die("select");
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int made = accept_one(ctx, listener);
                if (made >= 0) {
                    FD_SET(made, &watched);
                    highest = made > highest ? made : highest;
                }
                continue;
            }
            uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(ctx, fd);
            int length = modbus_receive(ctx, request);
            if (length > 0)
                length = modbus_reply(ctx, request, length, map);
            if (length < 0) {
                close(fd);
                FD_CLR(fd, &watched);
            }
        }
    }
}
