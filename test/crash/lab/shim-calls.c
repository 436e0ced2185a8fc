/*
 * The half of the shim that stands between a program and the C library: every call that changes durable state below the
 * root is counted, may be made to fail or be the last thing the process does, and is written down. Reads pass.
 */
#define _GNU_SOURCE
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(&name##_slot, #name))
#define SLOT(name) static void *name##_slot
SLOT(openat); SLOT(write); SLOT(pwrite64); SLOT(writev); SLOT(pwritev64); SLOT(fsync); SLOT(fdatasync);
SLOT(syncfs); SLOT(rename); SLOT(link); SLOT(unlink); SLOT(unlinkat); SLOT(mkdir); SLOT(rmdir); SLOT(symlink);
SLOT(ftruncate64); SLOT(fallocate64);

static void *real(void **slot, const char *name) {
  if (*slot == NULL) *slot = dlsym(RTLD_NEXT, name);
  return *slot;
}

/* Does `act` as the call is fated; `act` is one expression whose value below 0 means failure. */
#define CARRY_OUT(call, result, act)                        \
  do {                                                      \
    lab_lock();                                             \
    enum lab_fate fate = lab_judge(&(call));                \
    if (fate == LAB_KILL_BEFORE) lab_die(&(call));          \
    if (fate == LAB_ERROR) (result) = -1;                   \
    else {                                                  \
      (result) = (act);                                     \
      if ((result) >= 0) lab_record(&(call));               \
      if (fate == LAB_KILL_AFTER || fate == LAB_TORN) lab_die(&(call)); \
    }                                                       \
    lab_unlock();                                           \
  } while (0)

static int watched_open(int dirfd, const char *path, int flags, mode_t mode) {
  struct lab_call call = {.op = "open"};
  if (!lab_on() || !lab_inside(dirfd, path, call.path)) return REAL(openat)(dirfd, path, flags, mode);
  unsigned long long before = lab_ino(call.path);
  int makes = (flags & O_CREAT) != 0 && before == 0, cuts = (flags & O_TRUNC) != 0 && before != 0;
  if (!makes && !cuts) {
    call.op = "read-open";
    lab_lock();
    enum lab_fate fate = lab_judge(&call);
    lab_unlock();
    return fate == LAB_ERROR ? -1 : REAL(openat)(dirfd, path, flags, mode);
  }
  int fd;
  lab_lock();
  enum lab_fate fate = lab_judge(&call);
  if (fate == LAB_KILL_BEFORE) lab_die(&call);
  fd = fate == LAB_ERROR ? -1 : REAL(openat)(dirfd, path, flags, mode);
  if (fd >= 0) {
    call.ino = lab_ino(call.path);
    if (cuts) call.op = "truncate";
    lab_record(&call);
  }
  if (fate == LAB_KILL_AFTER || fate == LAB_TORN) lab_die(&call);
  lab_unlock();
  return fd;
}

#define MODE_OF(flags, mode)                                          \
  mode_t mode = 0;                                                    \
  if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) { \
    va_list list;                                                     \
    va_start(list, flags);                                            \
    mode = va_arg(list, mode_t);                                      \
    va_end(list);                                                     \
  }

int open(const char *path, int flags, ...) { MODE_OF(flags, mode) return watched_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, mode) return watched_open(AT_FDCWD, path, flags, mode); }
int openat(int dirfd, const char *path, int flags, ...) { MODE_OF(flags, mode) return watched_open(dirfd, path, flags, mode); }
int openat64(int dirfd, const char *path, int flags, ...) { MODE_OF(flags, mode) return watched_open(dirfd, path, flags, mode); }

/* One write at an offset; -1 is where the file stands, or its end when it only appends. */
static ssize_t watched_write(int fd, const void *data, size_t bytes, off64_t offset) {
  struct lab_call call = {.op = "write", .offset = offset, .data = data, .bytes = bytes};
  if (!lab_on() || bytes == 0 || !lab_inside_fd(fd, &call))
    return offset < 0 ? REAL(write)(fd, data, bytes) : REAL(pwrite64)(fd, data, bytes, offset);
  lab_lock();
  if (offset < 0) {
    struct stat about;
    int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    call.offset = appends && fstat(fd, &about) == 0 ? about.st_size : lseek(fd, 0, SEEK_CUR);
  }
  enum lab_fate fate = lab_judge(&call);
  if (fate == LAB_KILL_BEFORE) lab_die(&call);
  ssize_t done = -1;
  if (fate != LAB_ERROR) {
    size_t some = fate == LAB_TORN ? bytes / 2 : bytes;
    done = offset < 0 ? REAL(write)(fd, data, some) : REAL(pwrite64)(fd, data, some, offset);
    if (done >= 0) {
      call.bytes = (size_t)done;
      lab_record(&call);
    }
    if (fate == LAB_KILL_AFTER || fate == LAB_TORN) lab_die(&call);
  }
  lab_unlock();
  return done;
}

ssize_t write(int fd, const void *data, size_t bytes) { return watched_write(fd, data, bytes, -1); }
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) { return watched_write(fd, data, bytes, offset); }
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) { return watched_write(fd, data, bytes, offset); }

/* Several buffers are one write: what is torn is torn within all of them. */
static ssize_t watched_writev(int fd, const struct iovec *parts, int count, off64_t offset) {
  struct lab_call call = {.op = "write"};
  if (!lab_on() || !lab_inside_fd(fd, &call))
    return offset < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev64)(fd, parts, count, offset);
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  char *all = malloc(bytes + 1);
  if (all == NULL) abort();
  for (size_t i = 0, at = 0; i < (size_t)count; at += parts[i].iov_len, i++) memcpy(all + at, parts[i].iov_base, parts[i].iov_len);
  ssize_t done = watched_write(fd, all, bytes, offset);
  free(all);
  return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return watched_writev(fd, parts, count, -1); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return watched_writev(fd, parts, count, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return watched_writev(fd, parts, count, at); }

static int ends_with(const char *path, const char *end) {
  size_t a = strlen(path), b = strlen(end);
  return a >= b && strcmp(path + a - b, end) == 0;
}

/* Agents write their output without us: what a flush makes durable is what lies in the file. */
static int flush(const char *op, int fd, int (*call_real)(int)) {
  struct lab_call call = {.op = op};
  if (!lab_on() || !lab_inside_fd(fd, &call)) return call_real(fd);
  int result;
  if (strcmp(op, "syncfs") == 0 || ends_with(call.path, "/output") || ends_with(call.path, "/stderr")) lab_snapshot(call.path);
  CARRY_OUT(call, result, call_real(fd));
  return result;
}

int fsync(int fd) { return flush("fsync", fd, REAL(fsync)); }
int fdatasync(int fd) { return flush("fdatasync", fd, REAL(fdatasync)); }
int syncfs(int fd) { return flush("syncfs", fd, REAL(syncfs)); }

int rename(const char *from, const char *to) {
  struct lab_call call = {.op = "rename"};
  if (!lab_on() || !lab_inside(AT_FDCWD, to, call.to) || !lab_inside(AT_FDCWD, from, call.path)) return REAL(rename)(from, to);
  call.ino = lab_ino(call.path);
  int result;
  CARRY_OUT(call, result, REAL(rename)(from, to));
  return result;
}

int link(const char *from, const char *to) {
  struct lab_call call = {.op = "link"};
  if (!lab_on() || !lab_inside(AT_FDCWD, to, call.to) || !lab_inside(AT_FDCWD, from, call.path)) return REAL(link)(from, to);
  call.ino = lab_ino(call.path);
  int result;
  CARRY_OUT(call, result, REAL(link)(from, to));
  return result;
}

int symlink(const char *target, const char *path) {
  struct lab_call call = {.op = "symlink"};
  if (!lab_on() || !lab_inside(AT_FDCWD, path, call.path)) return REAL(symlink)(target, path);
  snprintf(call.to, sizeof call.to, "%s", target);
  int result;
  CARRY_OUT(call, result, REAL(symlink)(target, path));
  return result;
}

int unlink(const char *path) {
  struct lab_call call = {.op = "unlink"};
  if (!lab_on() || !lab_inside(AT_FDCWD, path, call.path)) return REAL(unlink)(path);
  int result;
  CARRY_OUT(call, result, REAL(unlink)(path));
  return result;
}

int rmdir(const char *path) {
  struct lab_call call = {.op = "rmdir"};
  if (!lab_on() || !lab_inside(AT_FDCWD, path, call.path)) return REAL(rmdir)(path);
  int result;
  CARRY_OUT(call, result, REAL(rmdir)(path));
  return result;
}

int unlinkat(int dirfd, const char *path, int flags) {
  struct lab_call call = {.op = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink"};
  if (!lab_on() || !lab_inside(dirfd, path, call.path)) return REAL(unlinkat)(dirfd, path, flags);
  int result;
  CARRY_OUT(call, result, REAL(unlinkat)(dirfd, path, flags));
  return result;
}

int mkdir(const char *path, mode_t mode) {
  struct lab_call call = {.op = "mkdir"};
  if (!lab_on() || !lab_inside(AT_FDCWD, path, call.path)) return REAL(mkdir)(path, mode);
  int result;
  CARRY_OUT(call, result, REAL(mkdir)(path, mode));
  return result;
}

int ftruncate64(int fd, off64_t length) {
  struct lab_call call = {.op = "truncate", .offset = length};
  if (!lab_on() || !lab_inside_fd(fd, &call)) return REAL(ftruncate64)(fd, length);
  int result;
  CARRY_OUT(call, result, REAL(ftruncate64)(fd, length));
  return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  struct lab_call call = {.op = "fallocate", .offset = offset + length};
  if (!lab_on() || !lab_inside_fd(fd, &call)) return REAL(fallocate64)(fd, mode, offset, length);
  int result;
  CARRY_OUT(call, result, REAL(fallocate64)(fd, mode, offset, length));
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
