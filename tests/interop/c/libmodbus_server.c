/* A libmodbus server with known values.
 *
 * usage: libmodbus_server                over TCP
 *        libmodbus_server /dev/... UNIT  over RTU, 19200 baud 8N1
 * Prints "PORT n" when it listens on 127.0.0.1 and serves one client after the
 * other, or "READY" when it listens as UNIT; until it is terminated.
 *
 * holding 0..7    the float 230.125 four times: ABCD, BADC, CDAB, DCBA
 * holding 8..13   int32 -123456789, int64 -1234567890123456789
 * holding 14..19  free to be written
 * input   0..9    1000, 1001, 1002, ...
 * coils   0..9    ON at 0, 3, 6, 9
 * discrete 0..9   ON at 1, 3, 5, 7, 9
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BITS = 10, HOLDING = 20, INPUT = 10 };

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

static uint16_t swapped(uint16_t word)
{
    return (uint16_t)(word << 8 | word >> 8);
}

/* modbus_set_float_abcd() and its sisters are not used: what their letters
 * mean has changed between versions of the library. */
static void fill(modbus_mapping_t *map, float real, int32_t number, int64_t long_number)
{
    uint32_t bits;
    memcpy(&bits, &real, sizeof bits);
    const uint16_t high = (uint16_t)(bits >> 16);
    const uint16_t low = (uint16_t)bits;
    const uint16_t orders[] = {high, low, swapped(high), swapped(low),
                               low, high, swapped(low), swapped(high)};
    memcpy(map->tab_registers, orders, sizeof orders);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 8, number);
    MODBUS_SET_INT64_TO_INT16(map->tab_registers, 10, long_number);
    for (int i = 0; i < INPUT; i++)
        map->tab_input_registers[i] = (uint16_t)(1000 + i);
    for (int i = 0; i < BITS; i++) {
        map->tab_bits[i] = i % 3 == 0;
        map->tab_input_bits[i] = i % 2;
    }
}

static void serve(modbus_t *ctx, modbus_mapping_t *map)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    int length;
    while ((length = modbus_receive(ctx, request)) >= 0)
        if (length > 0)
            modbus_reply(ctx, request, length, map);
}

static void serve_line(const char *path, int unit, modbus_mapping_t *map)
{
    modbus_t *ctx = modbus_new_rtu(path, 19200, 'N', 8, 1);
    if (ctx == NULL || modbus_set_slave(ctx, unit) < 0 || modbus_connect(ctx) < 0)
        die("connect");
    printf("READY\n");
    fflush(stdout);
    for (;;)
        serve(ctx, map);
}

int main(int argc, char **argv)
{
    modbus_mapping_t *map = modbus_mapping_new(BITS, BITS, HOLDING, INPUT);
    if (map == NULL)
        die("modbus_mapping_new");
    fill(map, 230.125f, -123456789, -1234567890123456789);
    if (argc == 3)
        serve_line(argv[1], atoi(argv[2]), map);
    /* libmodbus reads port 0 as "the system chooses". */
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    if (ctx == NULL)
        die("modbus_new_tcp");
    int listener = modbus_tcp_listen(ctx, 8);
    if (listener < 0)
        die("modbus_tcp_listen");
    print_port(listener);
    for (;;) {
        if (modbus_tcp_accept(ctx, &listener) < 0)
            die("modbus_tcp_accept");
        serve(ctx, map);
        modbus_close(ctx);
    }
}
