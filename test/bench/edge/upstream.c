/*
 * The fast upstream of bench:edge: an OpenAI-compatible server in one thread (epoll, keep-alive) that spends microseconds per
 * request, so that what is measured is the gateway in front of it. It answers
 *   {"stream":true}        EVENTS server-sent events, a finish event, usage when include_usage asks, [DONE]; written at once,
 *   ... "user":"paced"     the same, one event every PACE_US microseconds, each its own write, as a model would;
 *   ... "user":"long"      LONG_EVENTS events;
 *   ... "gather_ms"        the first event alone, then the others in one together with the end, as our inference server answers who
 *                        does not stream;
 *   anything else          one JSON completion with the same text.
 * It looks for these words in the body and parses nothing: never use it for anything but a bench.
 *
 * usage: upstream PORT EVENTS PACE_US LONG_EVENTS; it prints "listening PORT" once it does (PORT 0: any free one).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, REQUEST_BYTES_MAX = 1 << 20, EVENT_BYTES_MAX = 65536, EVENTS_MAX = 1024 };
enum { SHORT, LONG, GATHERED, KINDS };

#define CHUNK_FIELDS "\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\""

/* A stream as it goes over the wire: HTTP chunks, one per event, with the place where each ends. */
struct stream {
  char *bytes;
  size_t length;
  size_t ends[EVENTS_MAX + 8];
  int pieces;
};

struct connection {
  char request[REQUEST_BYTES_MAX];
  size_t received;
  char *out;
  size_t out_length, out_sent;
  const struct stream *paced; /* the stream this connection is in the middle of, or NULL */
  int piece;
  long long due_us;
};

static struct connection *connections[CONNECTIONS_MAX];
static int highest_fd;
static struct stream streams[KINDS][2][2]; /* [include_usage][return_token_ids] */
static char json[65536];
static size_t json_length;
static long pace_us;

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static char unwritten[2 * EVENT_BYTES_MAX];

/* Ends an HTTP chunk of all that was added. */
static void end_piece(struct stream *s) {
  s->length += sprintf(s->bytes + s->length, "%zx\r\n%s\r\n", strlen(unwritten), unwritten);
  s->ends[s->pieces++] = s->length;
  unwritten[0] = 0;
}

static void add_piece(struct stream *s, const char *text, int more) {
  strcat(unwritten, text);
  if (!more) end_piece(s);
}

/* One event with the words and ids from `from` to before `to`. */
static void add_event(struct stream *s, int from, int to, int ids, int more) {
  static char event[EVENT_BYTES_MAX];
  int at = sprintf(event, "data: {" CHUNK_FIELDS "%s,\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"",
                   ids && from == 0 ? ",\"prompt_token_ids\":[1,2,3,4]" : "", from == 0 ? "\"role\":\"assistant\"," : "");
  for (int i = from; i < to; i++) at += sprintf(event + at, "token%04d ", i);
  at += sprintf(event + at, "\"},\"finish_reason\":null");
  for (int i = from; ids && i < to; i++) at += sprintf(event + at, "%s%d", i == from ? ",\"token_ids\":[" : ",", 1000 + i);
  sprintf(event + at, "%s}]}\n\n", ids ? "]" : "");
  add_piece(s, event, more);
}

static void build_stream(struct stream *s, int events, int gathered, int usage, int ids) {
  char event[512];
  s->bytes = malloc((size_t)events * 512 + 4096);
  s->length = sprintf(s->bytes, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
  add_event(s, 0, 1, ids, 0);
  if (gathered && events > 1) add_event(s, 1, events, ids, 1);
  for (int i = 1; !gathered && i < events; i++) add_event(s, i, i + 1, ids, 0);
  add_piece(s, "data: {" CHUNK_FIELDS ",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", gathered);
  if (usage) {
    snprintf(event, sizeof event, "data: {" CHUNK_FIELDS ",\"choices\":[],\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
             events, 250 + events);
    add_piece(s, event, gathered);
  }
  add_piece(s, "data: [DONE]\n\n", 0);
  s->length += sprintf(s->bytes + s->length, "0\r\n\r\n");
  s->ends[s->pieces - 1] = s->length;
}

static void build_json(int events) {
  static char body[60000];
  int at = sprintf(body, "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
  for (int i = 0; i < events; i++) at += sprintf(body + at, "token%04d ", i);
  at += sprintf(body + at, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":%d,\"total_tokens\":%d}}", events, 250 + events);
  json_length = sprintf(json, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", at, body);
}

static void queue(struct connection *c, const char *bytes, size_t length) {
  c->out = realloc(c->out, c->out_length + length);
  memcpy(c->out + c->out_length, bytes, length);
  c->out_length += length;
}

/* 0 all sent, 1 the socket is full, -1 the peer is gone. */
static int flush(int fd) {
  struct connection *c = connections[fd];
  while (c->out_sent < c->out_length) {
    /* A caller who left must not end this process by SIGPIPE. */
    ssize_t n = send(fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN ? 1 : -1;
    c->out_sent += n;
  }
  c->out_length = c->out_sent = 0;
  return 0;
}

static void queue_piece(struct connection *c) {
  size_t from = c->piece ? c->paced->ends[c->piece - 1] : 0;
  queue(c, c->paced->bytes + from, c->paced->ends[c->piece] - from);
  c->due_us += pace_us;
  if (++c->piece == c->paced->pieces) c->paced = NULL;
}

static void answer(struct connection *c, const char *body) {
  if (!strstr(body, "\"stream\":true")) {
    queue(c, json, json_length);
    return;
  }
  int kind = strstr(body, "\"gather_ms\"") ? GATHERED : strstr(body, "\"user\":\"long\"") ? LONG : SHORT;
  const struct stream *s = &streams[kind][strstr(body, "\"include_usage\":true") != NULL][strstr(body, "\"return_token_ids\":true") != NULL];
  if (!strstr(body, "\"user\":\"paced\"")) {
    queue(c, s->bytes, s->length);
    return;
  }
  c->paced = s;
  c->piece = 0;
  c->due_us = now_us();
  queue_piece(c);
}

/* Answers every whole request in the buffer. The body ends by content-length or by the last HTTP chunk. */
static void take_requests(struct connection *c) {
  for (;;) {
    c->request[c->received] = 0;
    char *head_end = strstr(c->request, "\r\n\r\n");
    if (!head_end) return;
    char *body = head_end + 4, *field = strcasestr(c->request, "content-length:");
    size_t total = body - c->request;
    if (field && field < head_end) {
      total += atol(field + 15);
    } else if ((field = strcasestr(c->request, "transfer-encoding: chunked")) && field < head_end) {
      char *last = strstr(body, "0\r\n\r\n");
      if (!last) return;
      total = last + 5 - c->request;
    }
    if (total >= REQUEST_BYTES_MAX) exit(2);
    if (c->received < total) return;
    char after = c->request[total];
    c->request[total] = 0;
    answer(c, body);
    c->request[total] = after;
    memmove(c->request, c->request + total, c->received - total);
    c->received -= total;
  }
}

static void drop(int fd) {
  free(connections[fd]->out);
  free(connections[fd]);
  connections[fd] = NULL;
  close(fd);
}

static void watch(int epoll, int fd, int full) {
  struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (full ? EPOLLOUT : 0), .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e);
}

/* Sends what is due of the paced streams; returns the milliseconds until the next piece, or -1 when there is none. */
static int send_due(int epoll) {
  long long now = now_us(), next = -1;
  for (int fd = 0; fd <= highest_fd; fd++) {
    struct connection *c = connections[fd];
    if (!c || !c->paced) continue;
    if (c->due_us <= now) {
      queue_piece(c);
      int state = flush(fd);
      if (state < 0) {
        drop(fd);
        continue;
      }
      if (state) watch(epoll, fd, 1);
    }
    if (c->paced && (next < 0 || c->due_us < next)) next = c->due_us;
  }
  if (next < 0) return -1;
  return next <= now ? 0 : (int)((next - now + 999) / 1000);
}

int main(int count, char **words) {
  if (count != 5) return fprintf(stderr, "usage: upstream PORT EVENTS PACE_US LONG_EVENTS\n"), 1;
  int events = atoi(words[2]), long_events = atoi(words[4]), yes = 1;
  if (events < 1 || events > EVENTS_MAX || long_events < 1 || long_events > EVENTS_MAX) return 1;
  pace_us = atol(words[3]);
  for (int usage = 0; usage < 2; usage++)
    for (int ids = 0; ids < 2; ids++)
      for (int kind = 0; kind < KINDS; kind++)
        build_stream(&streams[kind][usage][ids], kind == LONG ? long_events : events, kind == GATHERED, usage, ids);
  build_json(events);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_length = sizeof address;
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) return perror("bind"), 1;
  getsockname(listener, (void *)&address, &address_length);
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);

  int epoll = epoll_create1(0);
  struct epoll_event add = {.events = EPOLLIN, .data.fd = listener}, ready[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &add);
  for (;;) {
    int n = epoll_wait(epoll, ready, 256, send_due(epoll));
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        int peer;
        while ((peer = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
          if (peer >= CONNECTIONS_MAX) exit(3);
          setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
          connections[peer] = calloc(1, sizeof(struct connection));
          if (peer > highest_fd) highest_fd = peer;
          add = (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data.fd = peer};
          epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &add);
        }
        continue;
      }
      struct connection *c = connections[fd];
      if (!c) continue;
      int gone = (ready[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
      while (!gone && (ready[i].events & EPOLLIN)) {
        ssize_t r = read(fd, c->request + c->received, REQUEST_BYTES_MAX - 1 - c->received);
        if (r > 0) c->received += r;
        else {
          gone = r == 0 || errno != EAGAIN;
          break;
        }
        take_requests(c);
      }
      int state = gone ? -1 : flush(fd);
      if (state < 0) drop(fd);
      else watch(epoll, fd, state);
    }
  }
}
