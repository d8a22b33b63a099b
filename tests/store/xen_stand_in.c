/*
 * Stands in for libxenctrl, libxenevtchn and libxengnttab (by LD_PRELOAD), so that Debian's store daemons run without
 * Xen.
 *
 * In the folder $XEN_STAND_IN a file ring-N of one page is the ring of domain N, ring-0 and port-0 stand for xsd_kva
 * and xsd_port, and the FIFO "events" brings events to the daemon: each is a port as a 32-bit number, 100 + N for
 * domain N. Nobody is told when the daemon signals a port: who waits for it looks at the ring. The daemon's socket is
 * "socket".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

enum { kMostDomains = 64, kPageBytes = 4096, kFirstPort = 100 };

static char something; /* handles point to it */
static int events = -1;

static void in_folder(char* path, size_t size, const char* name) {
  const char* folder = getenv("XEN_STAND_IN");
  snprintf(path, size, "%s/%s", folder ? folder : ".", name);
}

static void ring_path(char* path, size_t size, uint32_t domain) {
  char name[32];
  snprintf(name, sizeof(name), "ring-%u", domain);
  in_folder(path, size, name);
}

static int exists(uint32_t domain) {
  char path[256];
  ring_path(path, sizeof(path), domain);
  return access(path, F_OK) == 0;
}

static void* map_ring(uint32_t domain) {
  char path[256];
  ring_path(path, sizeof(path), domain);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return NULL;
  }
  void* page = mmap(NULL, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return page == MAP_FAILED ? NULL : page;
}

/* --- libxenctrl --- */

xc_interface* xc_interface_open(xentoollog_logger* logger, xentoollog_logger* other, unsigned flags) {
  (void)logger, (void)other, (void)flags;
  return (xc_interface*)&something;
}

int xc_interface_close(xc_interface* xc) { return (void)xc, 0; }

int xc_domain_getinfo(xc_interface* xc, uint32_t first, unsigned int most, xc_dominfo_t* info) {
  unsigned int got = 0;
  (void)xc;
  for (uint32_t domain = first; domain < kMostDomains && got < most; ++domain) {
    if (exists(domain)) {
      memset(&info[got], 0, sizeof(info[got]));
      info[got].domid = domain;
      info[got++].running = 1;
    }
  }
  return (int)got;
}

int xc_domain_getinfolist(xc_interface* xc, uint32_t first, unsigned int most, xc_domaininfo_t* info) {
  unsigned int got = 0;
  (void)xc;
  for (uint32_t domain = first; domain < kMostDomains && got < most; ++domain) {
    if (exists(domain)) {
      memset(&info[got], 0, sizeof(info[got]));
      info[got].domain = (domid_t)domain;
      info[got++].flags = XEN_DOMINF_running;
    }
  }
  return (int)got;
}

void* xc_map_foreign_range(xc_interface* xc, uint32_t domain, int size, int protection, unsigned long frame) {
  (void)xc, (void)size, (void)protection, (void)frame;
  return map_ring(domain);
}

/* --- libxenevtchn --- */

xenevtchn_handle* xenevtchn_open(xentoollog_logger* logger, unsigned flags) {
  char path[256];
  (void)logger, (void)flags;
  in_folder(path, sizeof(path), "events");
  events = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return events < 0 ? NULL : (xenevtchn_handle*)&something;
}

int xenevtchn_close(xenevtchn_handle* handle) { return (void)handle, 0; }
int xenevtchn_fd(xenevtchn_handle* handle) { return (void)handle, events; }
int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) { return (void)handle, (void)port, 0; }
int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) { return (void)handle, (void)port, 0; }
int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) { return (void)handle, (void)port, 0; }
xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned int virq) {
  return (void)handle, (void)virq, 1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domain, evtchn_port_t port) {
  (void)handle, (void)port;
  return (int)(domain + kFirstPort);
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  uint32_t port = 0;
  (void)handle;
  return read(events, &port, sizeof(port)) == (ssize_t)sizeof(port) ? (int)port : -1;
}

/* --- libxengnttab --- */

xengnttab_handle* xengnttab_open(xentoollog_logger* logger, unsigned flags) {
  (void)logger, (void)flags;
  return (xengnttab_handle*)&something;
}

int xengnttab_close(xengnttab_handle* handle) { return (void)handle, 0; }
int xengnttab_set_max_grants(xengnttab_handle* handle, uint32_t count) { return (void)handle, (void)count, 0; }
int xengnttab_unmap(xengnttab_handle* handle, void* page, uint32_t count) {
  (void)handle, (void)count;
  return munmap(page, kPageBytes);
}

void* xengnttab_map_grant_ref(xengnttab_handle* handle, uint32_t domain, uint32_t reference, int protection) {
  (void)handle, (void)reference, (void)protection;
  return map_ring(domain);
}

/* --- libc: files that only Xen has, a socket's path that oxenstored has built in --- */

static int open_as(const char* symbol, const char* path, int flags, unsigned mode) {
  int (*next)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, symbol);
  char other[256];
  if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
    in_folder(other, sizeof(other), "ring-0");
    path = other;
  } else if (strcmp(path, "/proc/xen/xsd_port") == 0) {
    in_folder(other, sizeof(other), "port-0");
    path = other;
  }
  return next(path, flags, mode);
}

#undef open
#undef open64
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = va_arg(rest, unsigned);
  va_end(rest);
  return open_as("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = va_arg(rest, unsigned);
  va_end(rest);
  return open_as("open64", path, flags, mode);
}

int bind(int fd, const struct sockaddr* address, socklen_t size) {
  int (*next)(int, const struct sockaddr*, socklen_t) =
      (int (*)(int, const struct sockaddr*, socklen_t))dlsym(RTLD_NEXT, "bind");
  struct sockaddr_un other = {.sun_family = AF_UNIX};
  if (address->sa_family != AF_UNIX) {
    return next(fd, address, size);
  }
  in_folder(other.sun_path, sizeof(other.sun_path), "socket");
  return next(fd, (const struct sockaddr*)&other, sizeof(other));
}

/* oxenstored raises its limit of descriptors, which takes a capability, and gives its socket a mode. */
int setrlimit(__rlimit_resource_t which, const struct rlimit* limit) { return (void)which, (void)limit, 0; }
int chmod(const char* path, mode_t mode) { return (void)path, (void)mode, 0; }
int mkdir(const char* path, mode_t mode) { return (void)path, (void)mode, 0; }
