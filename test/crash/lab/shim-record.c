/*
 * The half of the shim that knows what is watched, what is to fail, and where it is written down.
 * LAB_ROOT: directory whose changes count. LAB_LOG: file that records are appended to, one write each. LAB_ROLE: name of
 * the process in them. LAB_ONCE: file made by the first process that has the fault, others then have none. LAB_DATA=1: records hold the bytes, for a replay. LAB_FAULT: `when op class n errno`, see below.
 */
#define _GNU_SOURCE
#include "shim.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLASSES 4096

static char root[LAB_PATH];
static size_t root_len;
static const char *log_path;
static const char *once_path;
static int with_data;
static const char *role = "?";
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The fault: `when` is before, after, torn, error (once) or errors (from then on); op is a list `a+b` or `*`. */
static struct { char when[12], op[120], class[600]; long n; int error; int set; long seen; } fault;

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("LAB_ROOT");
  if (text == NULL || realpath(text, root) == NULL) return;
  log_path = getenv("LAB_LOG");
  once_path = getenv("LAB_ONCE");
  if (getenv("LAB_ROLE") != NULL) role = getenv("LAB_ROLE");
  with_data = getenv("LAB_DATA") != NULL;
  text = getenv("LAB_FAULT");
  if (text != NULL)
    fault.set = sscanf(text, "%11s %119s %599s %ld %d", fault.when, fault.op, fault.class, &fault.n, &fault.error) == 5;
  root_len = strlen(root);
}

int lab_on(void) { return root_len > 0; }
void lab_lock(void) { pthread_mutex_lock(&mutex); }
void lab_unlock(void) { pthread_mutex_unlock(&mutex); }

static int below_root(const char *path) {
  return strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0);
}

int lab_inside(int dirfd, const char *path, char *out) {
  if (path == NULL || root_len == 0) return 0;
  if (path[0] == '/') {
    snprintf(out, LAB_PATH, "%s", path);
  } else {
    char link[64], base[LAB_PATH / 2];
    if (dirfd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t n = readlink(link, base, sizeof base - 1);
    if (n <= 0) return 0;
    base[n] = 0;
    while (path[0] == '.' && path[1] == '/') path += 2;
    snprintf(out, LAB_PATH, strcmp(path, ".") == 0 ? "%s" : "%s/%s", base, path);
  }
  size_t end = strlen(out);
  while (end > 1 && out[end - 1] == '/') out[--end] = 0;
  return below_root(out);
}

int lab_inside_fd(int fd, struct lab_call *call) {
  if (root_len == 0) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int saved = errno;
  ssize_t n = readlink(link, call->path, LAB_PATH - 1);
  errno = saved;
  if (n <= 0) return 0;
  call->path[n] = 0;
  if (!below_root(call->path) || strstr(call->path, " (deleted)") != NULL) return 0;
  struct stat about;
  if (fstat(fd, &about) != 0) return 0;
  call->ino = about.st_ino;
  return S_ISREG(about.st_mode) || S_ISDIR(about.st_mode);
}

unsigned long long lab_ino(const char *path) {
  struct stat about;
  int saved = errno;
  int failed = lstat(path, &about);
  errno = saved;
  return failed ? 0 : about.st_ino;
}

/* The path with everything that differs from run to run left out: long words are ids, long numbers are pids. */
static void class_of(const char *path, char *out, size_t room) {
  const char *from = path + root_len;
  size_t used = 0;
  while (*from != 0 && used + 2 < room) {
    size_t word = 0, digits = 0;
    while (isalnum((unsigned char)from[word])) digits += isdigit((unsigned char)from[word++]) != 0;
    int is_object = strstr(path, "/objects/") != NULL && word == 2 && from[-1] == '/' && from[2] == '/';
    if (word >= 12 || is_object) out[used++] = '*';
    else if (word >= 3 && digits == word) out[used++] = '#';
    else for (size_t i = 0; i < word && used + 2 < room; i++) out[used++] = from[i];
    from += word;
    if (*from != 0) out[used++] = *from++;
  }
  out[used] = 0;
  if (used == 0) snprintf(out, room, "/");
}

static int named(const char *list, const char *op) {
  if (strcmp(list, "*") == 0) return strcmp(op, "read-open") != 0;
  size_t length = strlen(op);
  for (const char *at = list; (at = strstr(at, op)) != NULL; at++)
    if ((at == list || at[-1] == '+') && (at[length] == 0 || at[length] == '+')) return 1;
  return 0;
}

/* Of several processes under one fault only the first to get there has it. */
static int is_first(void) {
  if (once_path == NULL) return 1;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, once_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) syscall(SYS_close, fd);
  return fd >= 0;
}

/* What a call is about: the new name, but of a symlink itself, whose `to` is any text. */
static const char *named_by(const struct lab_call *call) {
  return call->to[0] != 0 && strcmp(call->op, "symlink") != 0 ? call->to : call->path;
}

enum lab_fate lab_judge(const struct lab_call *call) {
  if (!fault.set || !named(fault.op, call->op)) return LAB_PASS;
  char class[LAB_PATH];
  class_of(named_by(call), class, sizeof class);
  if (strcmp(fault.class, "*") != 0 && strcmp(fault.class, class) != 0) return LAB_PASS;
  fault.seen += 1;
  int due = strcmp(fault.when, "errors") == 0 ? fault.seen >= fault.n : fault.seen == fault.n;
  if (!due || !is_first()) return LAB_PASS;
  if (strcmp(fault.when, "before") == 0) return LAB_KILL_BEFORE;
  if (strcmp(fault.when, "after") == 0) return LAB_KILL_AFTER;
  if (strcmp(fault.when, "torn") == 0) return LAB_TORN;
  errno = fault.error;
  struct lab_call error = *call;
  error.op = "E";
  error.bytes = 0;
  lab_record(&error);
  errno = fault.error;
  return LAB_ERROR;
}

/*
 * One write, by the system calls themselves: the library's are ours. Opened each time, since a keeper closes whatever it
 * finds open when it begins.
 */
static void put(const char *text, size_t bytes) {
  int fd = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || syscall(SYS_write, fd, text, bytes) != (ssize_t)bytes) abort();
  syscall(SYS_close, fd);
}

void lab_record(const struct lab_call *call) {
  if (log_path == NULL) return;
  int saved = errno;
  char class[LAB_PATH];
  class_of(named_by(call), class, sizeof class);
  size_t kept = with_data ? call->bytes : 0;
  size_t room = strlen(call->path) + strlen(call->to) + strlen(class) + kept + 200;
  char *text = malloc(room);
  if (text == NULL) abort();
  int head = snprintf(text, room, "%s\t%s\t%d\t%llu\t%lld\t%zu\t%zu\t%s\t%s\t%s\n", call->op, role, (int)getpid(),
                      call->ino, call->offset, call->bytes, kept, class, call->path, call->to);
  if (kept > 0) memcpy(text + head, call->data, kept);
  text[(size_t)head + kept] = '\n';
  put(text, (size_t)head + kept + 1);
  free(text);
  errno = saved;
}

void lab_die(const struct lab_call *call) {
  struct lab_call last = *call;
  last.op = "K";
  last.bytes = 0;
  lab_record(&last);
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static int snapshot_one(const char *path, const struct stat *about, int kind, struct FTW *walk) {
  (void)walk;
  struct lab_call call = {.op = "S", .ino = about->st_ino};
  snprintf(call.path, LAB_PATH, "%s", path);
  if (kind == FTW_D) call.op = "mkdir";
  else if (kind == FTW_SL) {
    call.op = "symlink";
    ssize_t n = readlink(path, call.to, LAB_PATH - 1);
    if (n < 0) return 0;
    call.to[n] = 0;
  } else if (kind != FTW_F || !S_ISREG(about->st_mode)) return 0;
  void *data = NULL;
  if (call.op[0] == 'S') {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    data = malloc((size_t)about->st_size + 1);
    ssize_t n = data == NULL ? -1 : pread(fd, data, (size_t)about->st_size, 0);
    syscall(SYS_close, fd);
    call.data = data;
    call.bytes = n > 0 ? (size_t)n : 0;
  }
  lab_record(&call);
  free(data);
  return 0;
}

void lab_snapshot(const char *path) {
  if (with_data) nftw(path, snapshot_one, 16, FTW_PHYS);
}
