/* What both halves of the shim share: records of what was done, and the fault that is to happen. */
#ifndef HOLDFAST_LAB_SHIM_H
#define HOLDFAST_LAB_SHIM_H

#include <stddef.h>
#include <sys/types.h>

#define LAB_PATH 4600

/* One call that changes durable state. */
struct lab_call {
  const char *op;
  /* Absolute, below the root; `to` is the second path of a rename, link or symlink, else "". */
  char path[LAB_PATH];
  char to[LAB_PATH];
  unsigned long long ino;
  long long offset;
  const void *data;
  size_t bytes;
};

/* What the fault says about this call. */
enum lab_fate { LAB_PASS, LAB_KILL_BEFORE, LAB_KILL_AFTER, LAB_TORN, LAB_ERROR };

/* Whether anything is watched at all. */
int lab_on(void);
/* Makes `path`, relative to the working directory or to `dirfd`, absolute; returns whether it lies below the root. */
int lab_inside(int dirfd, const char *path, char *out);
/* The same for an open descriptor; fills in its inode. Returns 0 for what is deleted or no file. */
int lab_inside_fd(int fd, struct lab_call *call);
unsigned long long lab_ino(const char *path);
/* Serialises the calls of one process: they happen and are recorded in one order. */
void lab_lock(void);
void lab_unlock(void);
/* Counts the call and says what is to happen; sets errno for LAB_ERROR. */
enum lab_fate lab_judge(const struct lab_call *call);
void lab_record(const struct lab_call *call);
void lab_die(const struct lab_call *call) __attribute__((noreturn));
/* Records what a file, or everything below a directory, holds now: others than this process may have written it. */
void lab_snapshot(const char *path);

#endif
