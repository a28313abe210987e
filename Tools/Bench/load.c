// The load: Produce (version 8) or Fetch (version 11) requests over a few connections, at full speed or at a fixed rate.
// Latencies count from the time at which a request was meant to be sent, so that a stall counts for all that wait.
//
//     load produce PORT TOPIC CONNECTIONS IN_FLIGHT RECORDS_PER_BATCH RECORD_SIZE BATCHES RATE [PARTITIONS]
//     load fetch   PORT TOPIC BYTES_MAX BYTES RATE_BYTES
//     load e2e     PORT TOPIC COUNT RATE
//
// `e2e` sends single records of 100 bytes to a new topic at a fixed rate, while a parked fetch on a second connection
// waits for them: the latency is from the intended sending to the arrival of the record.
//
// With PARTITIONS the batches go to that many, one after the other.
// RATE is in batches a second over all connections, RATE_BYTES in bytes a second; 0 is as fast as it goes.
// Prints one line of JSON: requests, bytes, seconds, and latency percentiles in microseconds.
#define _GNU_SOURCE
#include "CLinux.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 4096

static char *put8(char *at, uint8_t v) { *at = v; return at + 1; }
static char *put16(char *at, uint16_t v) { v = htobe16(v); memcpy(at, &v, 2); return at + 2; }
static char *put32(char *at, uint32_t v) { v = htobe32(v); memcpy(at, &v, 4); return at + 4; }
static char *put64(char *at, uint64_t v) { v = htobe64(v); memcpy(at, &v, 8); return at + 8; }
static uint32_t get32(const char *at) { uint32_t v; memcpy(&v, at, 4); return be32toh(v); }

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static char *put_varint(char *at, uint32_t v) {
    for (; v >= 0x80; v >>= 7) at = put8(at, v | 0x80);
    return put8(at, v);
}

static char *put_name(char *at, const char *name) {
    at = put16(at, strlen(name));
    memcpy(at, name, strlen(name));
    return at + strlen(name);
}

static char *put_head(char *at, int key, int version, uint32_t correlation) {
    return put_name(put32(put16(put16(at, key), version), correlation), "load");
}

// A batch of `count` records whose values are `size` bytes.
static size_t make_batch(char *batch, int count, int size) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t time = now.tv_sec * 1000ll + now.tv_nsec / 1000000;
    char *at = batch + 61;
    for (int i = 0; i < count; i++) {
        char body[64], *to = put8(put8(body, 0), 0);
        to = put_varint(put_varint(to, 2 * i), 1);
        to = put_varint(to, 2 * size);
        at = put_varint(at, 2 * (to - body + size + 1));
        memcpy(at, body, to - body);
        at += to - body;
        for (int k = 0; k < size; k++) *at++ = 'a' + (k * 7 + i) % 26;
        at = put8(at, 0);
    }
    put32(put64(batch, 0), at - batch - 12);
    put8(put32(batch + 12, -1), 2);
    char *to = put32(put16(batch + 21, 0), count - 1);
    to = put64(put64(put64(to, time), time), -1);
    put32(put32(put16(to, -1), -1), count);
    put32(batch + 17, martlet_crc32c(0, batch + 21, at - batch - 21));
    return at - batch;
}

static float *latencies;
static size_t latency_count, latency_max;

static void note(double latency) {
    if (latency_count < latency_max) latencies[latency_count++] = latency * 1e6;
}

static int rising(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(size_t requests, double bytes, double elapsed) {
    qsort(latencies, latency_count, sizeof *latencies, rising);
    double points[] = {50, 95, 99, 99.9, 100};
    const char *names[] = {"p50", "p95", "p99", "p999", "max"};
    printf("{\"requests\": %zu, \"bytes\": %.0f, \"seconds\": %.6f", requests, bytes, elapsed);
    for (int i = 0; i < 5; i++) {
        size_t index = latency_count ? (latency_count - 1) * points[i] / 100 : 0;
        printf(", \"%s\": %.1f", names[i], latency_count ? latencies[index] : 0);
    }
    printf("}\n");
}

struct line {
    int fd;
    char in[65536];
    size_t have;
    double meant[IN_FLIGHT_MAX];
    uint32_t first, next;
};

// Takes the answers that have come, in order.
static size_t take_answers(struct line *line) {
    ssize_t n = recv(line->fd, line->in + line->have, sizeof line->in - line->have, 0);
    if (n <= 0) die("recv");
    line->have += n;
    size_t used = 0, taken = 0;
    double now = seconds();
    while (line->have - used >= 4 && line->have - used >= 4 + get32(line->in + used)) {
        char *frame = line->in + used;
        if (get32(frame + 4) != line->first) die("answers out of order");
        note(now - line->meant[line->first++ % IN_FLIGHT_MAX]);
        used += 4 + get32(frame);
        taken++;
    }
    memmove(line->in, line->in + used, line->have - used);
    line->have -= used;
    return taken;
}

static void send_all(int fd, const char *bytes, size_t size) {
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) die("send");
        bytes += n;
        size -= n;
    }
}

static int produce(char **a) {
    int port = atoi(a[0]), lines = atoi(a[2]), in_flight = atoi(a[3]), records = atoi(a[4]), size = atoi(a[5]);
    size_t batches = atol(a[6]);
    double rate = atof(a[7]);
    size_t partitions = a[8] ? atol(a[8]) : 1;
    char *frame = malloc((size_t)records * (size + 32) + 4096);
    char *body = put_head(frame + 4, 0, 8, 0);
    body = put32(put16(put16(body, -1), 1), 30000);
    body = put_name(put32(body, 1), a[1]);
    char *partition = put32(body, 1);
    body = put32(partition, 0);
    size_t batch = make_batch(body + 4, records, size);
    put32(body, batch);
    size_t whole = body + 4 + batch - frame;
    put32(frame, whole - 4);
    struct line *line = calloc(lines, sizeof *line);
    struct pollfd *polls = calloc(lines, sizeof *polls);
    for (int i = 0; i < lines; i++) polls[i] = (struct pollfd){.fd = line[i].fd = dial(port), .events = POLLIN};
    latencies = malloc((latency_max = batches) * sizeof *latencies);
    double start = seconds();
    size_t sent = 0, done = 0;
    for (int turn = 0; done < batches; turn = (turn + 1) % lines) {
        double due = rate > 0 ? start + sent / rate : 0;
        struct line *to = &line[turn];
        if (sent < batches && to->next - to->first < (uint32_t)in_flight && seconds() >= due) {
            to->meant[to->next % IN_FLIGHT_MAX] = due > 0 ? due : seconds();
            put32(frame + 8, to->next++);
            put32(partition, sent % partitions);
            send_all(to->fd, frame, whole);
            sent++;
        }
        int full = sent == batches;
        if (!full && rate <= 0) {
            full = 1;
            for (int i = 0; i < lines; i++) full &= line[i].next - line[i].first >= (uint32_t)in_flight;
        }
        double wait = rate > 0 && sent < batches ? start + sent / rate - seconds() : 0;
        struct timespec time = {.tv_nsec = wait > 0 ? (wait < 0.5 ? wait * 1e9 : 5e8) : 0};
        if (ppoll(polls, lines, full ? NULL : &time, NULL) > 0)
            for (int i = 0; i < lines; i++)
                if (polls[i].revents) done += take_answers(&line[i]);
    }
    report(batches, (double)batches * batch, seconds() - start);
    return 0;
}

// Reads exactly `size` bytes and keeps the first `keep` of them.
static void receive_all(int fd, size_t size, char *kept, size_t keep) {
    static char sink[1 << 20];
    for (size_t have = 0; have < size;) {
        char *to = have < keep ? kept + have : sink;
        size_t most = have < keep ? keep - have : sizeof sink;
        ssize_t n = recv(fd, to, most < size - have ? most : size - have, 0);
        if (n <= 0) die("recv");
        have += n;
    }
}

// Writes a Fetch request for everything from `offset` on; answers its size.
static size_t make_fetch(char *frame, const char *topic, uint32_t correlation, int64_t offset, size_t most) {
    char *to = put_head(frame + 4, 1, 11, correlation);
    to = put8(put32(put32(put32(put32(to, -1), 500), 1), most), 0);
    to = put32(put32(put32(to, 0), -1), 1);
    to = put_name(to, topic);
    to = put64(put64(put32(put32(put32(to, 1), 0), -1), offset), -1);
    to = put16(put32(put32(to, most), 0), 0);
    put32(frame, to - frame - 4);
    return to - frame;
}

// Takes the answer to a fetch; answers the offset behind its last record.
static int64_t take_fetched(int fd, const char *topic, int64_t offset) {
    static char answer[1 << 20];
    size_t before = 22 + 2 + strlen(topic) + 8 + 34;
    receive_all(fd, 4, answer, 4);
    size_t size = get32(answer);
    if (size < before || size > sizeof answer) die("answer of a wrong size");
    receive_all(fd, size, answer, size);
    for (char *at = answer + before; at + 61 <= answer + size; at += 12 + get32(at + 8)) {
        uint64_t base;
        memcpy(&base, at, 8);
        offset = be64toh(base) + get32(at + 23) + 1;
    }
    return offset;
}

static int end_to_end(char **a) {
    int port = atoi(a[0]);
    size_t count = atol(a[2]);
    double rate = atof(a[3]);
    char frame[1024], question[512];
    char *body = put_head(frame + 4, 0, 8, 0);
    body = put_name(put32(put32(put16(put16(body, -1), 1), 30000), 1), a[1]);
    body = put32(put32(body, 1), 0);
    size_t batch = make_batch(body + 4, 1, 100);
    put32(body, batch);
    size_t whole = body + 4 + batch - frame;
    put32(frame, whole - 4);
    int writer = dial(port), reader = dial(port);
    double *meant = malloc(count * sizeof *meant), start = seconds();
    latencies = malloc((latency_max = count) * sizeof *latencies);
    send_all(reader, question, make_fetch(question, a[1], 0, 0, 1 << 19));
    struct pollfd polls[] = {{.fd = writer, .events = POLLIN}, {.fd = reader, .events = POLLIN}};
    char sink[65536];
    int64_t seen = 0;
    for (size_t sent = 0; (size_t)seen < count;) {
        double due = start + sent / rate, wait = due - seconds();
        if (sent < count && wait <= 0) {
            meant[sent++] = due;
            send_all(writer, frame, whole);
            continue;
        }
        struct timespec time = {.tv_nsec = wait < 0.5 && sent < count ? wait * 1e9 : 5e8};
        if (ppoll(polls, 2, &time, NULL) <= 0) continue;
        if (polls[0].revents && recv(writer, sink, sizeof sink, 0) <= 0) die("recv");
        if (!polls[1].revents) continue;
        int64_t next = take_fetched(reader, a[1], seen);
        double now = seconds();
        while (seen < next) note(now - meant[seen++]);
        send_all(reader, question, make_fetch(question, a[1], 1, seen, 1 << 19));
    }
    report(count, (double)count * batch, seconds() - start);
    return 0;
}

static int fetch(char **a) {
    int port = atoi(a[0]), fd = dial(port);
    size_t most = atol(a[2]);
    double wanted = atof(a[3]), rate = atof(a[4]), got = 0;
    size_t requests = 0;
    int64_t offset = 0;
    char frame[512], head[4096];
    latencies = malloc((latency_max = 10000000) * sizeof *latencies);
    double start = seconds();
    while (got < wanted) {
        if (rate > 0) {
            double ahead = got / rate - (seconds() - start);
            if (ahead > 0) usleep(ahead * 1e6);
        }
        size_t question = make_fetch(frame, a[1], requests, offset, most);
        double sent = seconds();
        send_all(fd, frame, question);
        // Head of the answer up to the records: 4 + 4 + 4+2+4+4 (22) + name + 4+4 + 2+8+8+8+4+4 + 4.
        size_t before = 22 + 2 + strlen(a[1]) + 8 + 34 + 4;
        receive_all(fd, 4, head, 4);
        size_t size = get32(head);
        if (size < before - 4) die("answer too short");
        // The records' first batches tell where to go on: read their heads from the stream.
        receive_all(fd, before - 4, head + 4, before - 4);
        size_t records = get32(head + before - 4), rest = size + 4 - before;
        if (records != rest || !records) die("no records");
        while (rest >= 61) {
            char batch[61];
            receive_all(fd, 61, batch, 61);
            size_t length = get32(batch + 8) + 12;
            size_t left = length - 61 < rest - 61 ? length - 61 : rest - 61;
            receive_all(fd, left, head, 0);
            if (left == length - 61) {
                uint64_t base;
                memcpy(&base, batch, 8);
                offset = be64toh(base) + get32(batch + 23) + 1;
                got += length;
            }
            rest -= 61 + left;
        }
        receive_all(fd, rest, head, 0);
        note(seconds() - sent);
        requests++;
    }
    report(requests, got, seconds() - start);
    return 0;
}

int main(int count, char **arguments) {
    if ((count == 10 || count == 11) && !strcmp(arguments[1], "produce")) return produce(arguments + 2);
    if (count == 7 && !strcmp(arguments[1], "fetch")) return fetch(arguments + 2);
    if (count == 6 && !strcmp(arguments[1], "e2e")) return end_to_end(arguments + 2);
    fprintf(stderr, "load produce PORT TOPIC CONNECTIONS IN_FLIGHT RECORDS SIZE BATCHES RATE [PARTITIONS]\n");
    fprintf(stderr, "load fetch PORT TOPIC BYTES_MAX BYTES RATE_BYTES\n");
    fprintf(stderr, "load e2e PORT TOPIC COUNT RATE\n");
    return 2;
}
