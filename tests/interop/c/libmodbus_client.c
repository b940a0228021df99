/* Carries out operations with libmodbus and prints what each brought as JSON.
 *
 * usage: libmodbus_client PORT < OPERATIONS     over TCP, on this machine
 *        libmodbus_client /dev/... < OPERATIONS over RTU, 19200 baud 8N1
 * One operation a line, its numbers decimal, such as "read_registers 0 6"; one
 * line of JSON an operation: a list of numbers, or {"error": "..."}. "unit N"
 * is for the operations that follow, and so is "timeout MILLISECONDS".
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBERS = 140, MAX_ITEMS = 2000 };

static uint8_t bytes[MAX_ITEMS];
static uint16_t words[MAX_ITEMS];

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void print_bytes(int count)
{
    printf("[");
    for (int i = 0; i < count; i++)
        printf(i ? ", %d" : "%d", bytes[i]);
    printf("]\n");
}

static void print_words(int count)
{
    printf("[");
    for (int i = 0; i < count; i++)
        printf(i ? ", %d" : "%d", words[i]);
    printf("]\n");
}

/* Puts the numbers of a write from `first` on where libmodbus wants them. */
static void fill(const int *numbers, int first, int count)
{
    for (int i = first; i < count; i++) {
        bytes[i - first] = (uint8_t)numbers[i];
        words[i - first] = (uint16_t)numbers[i];
    }
}

static void carry_out(modbus_t *ctx, const char *name, const int *n, int count)
{
    int done = -1;
    int gives_bytes = 0;
    int gives_words = 0;
    if (strcmp(name, "unit") == 0) {
        done = modbus_set_slave(ctx, n[0]);
    } else if (strcmp(name, "timeout") == 0) {
        done = modbus_set_response_timeout(ctx, n[0] / 1000, n[0] % 1000 * 1000);
    } else if (strcmp(name, "read_bits") == 0) {
        gives_bytes = 1;
        done = modbus_read_bits(ctx, n[0], n[1], bytes);
    } else if (strcmp(name, "read_input_bits") == 0) {
        gives_bytes = 1;
        done = modbus_read_input_bits(ctx, n[0], n[1], bytes);
    } else if (strcmp(name, "read_registers") == 0) {
        gives_words = 1;
        done = modbus_read_registers(ctx, n[0], n[1], words);
    } else if (strcmp(name, "read_input_registers") == 0) {
        gives_words = 1;
        done = modbus_read_input_registers(ctx, n[0], n[1], words);
    } else if (strcmp(name, "write_bit") == 0) {
        done = modbus_write_bit(ctx, n[0], n[1]);
    } else if (strcmp(name, "write_register") == 0) {
        done = modbus_write_register(ctx, n[0], (uint16_t)n[1]);
    } else if (strcmp(name, "write_bits") == 0) {
        fill(n, 1, count);
        done = modbus_write_bits(ctx, n[0], count - 1, bytes);
    } else if (strcmp(name, "write_registers") == 0) {
        fill(n, 1, count);
        done = modbus_write_registers(ctx, n[0], count - 1, words);
    } else if (strcmp(name, "mask_write_register") == 0) {
        done = modbus_mask_write_register(ctx, n[0], (uint16_t)n[1], (uint16_t)n[2]);
    } else if (strcmp(name, "write_and_read_registers") == 0) {
        /* read address, read count, write address, words to write */
        uint16_t written[MODBUS_MAX_WR_WRITE_REGISTERS];
        fill(n, 3, count);
        memcpy(written, words, sizeof written);
        gives_words = 1;
        done = modbus_write_and_read_registers(ctx, n[2], count - 3, written, n[0], n[1], words);
    } else if (strcmp(name, "report_slave_id") == 0) {
        gives_bytes = 1;
        done = modbus_report_slave_id(ctx, MODBUS_MAX_PDU_LENGTH, bytes);
    } else {
        fprintf(stderr, "unknown operation %s\n", name);
        exit(2);
    }
    if (done < 0)
        printf("{\"error\": \"%s\"}\n", modbus_strerror(errno));
    else if (gives_words)
        print_words(done);
    else if (gives_bytes)
        print_bytes(done);
    else
        printf("[]\n");
}

int main(int argc, char **argv)
{
    char line[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: libmodbus_client PORT_OR_PATH < OPERATIONS\n");
        return 2;
    }
    modbus_t *ctx = argv[1][0] == '/' ? modbus_new_rtu(argv[1], 19200, 'N', 8, 1)
                                      : modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (ctx == NULL || modbus_set_slave(ctx, 1) < 0 || modbus_connect(ctx) < 0)
        die("connect");
    modbus_set_response_timeout(ctx, 5, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        int numbers[MAX_NUMBERS] = {0};
        int count = 0;
        char *name = strtok(line, " \n");
        if (name == NULL)
            continue;
        for (char *word; count < MAX_NUMBERS && (word = strtok(NULL, " \n")) != NULL;)
            numbers[count++] = atoi(word);
        carry_out(ctx, name, numbers, count);
    }
    modbus_close(ctx);
    modbus_free(ctx);
    return 0;
}
