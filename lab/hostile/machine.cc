#include "lab/hostile/machine.h"

// Else the headers mean the calls of Xen 3.0.
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/console.h>
#include <xen/sched.h>

namespace hostile {

namespace {

constexpr std::uintptr_t kBase = 0xffffffff80000000;  // VIRT_BASE of start.S
constexpr std::uint64_t kTableFlags = 0x63;           // present, writable, accessed, dirty
constexpr std::uint32_t kFirstGrant = 8;              // those before are reserved for the builder's
constexpr std::uint32_t kGrants = kPageBytes / sizeof(grant_entry_v1_t);
constexpr std::size_t kConsoleBytes = sizeof(xencons_interface::out);

struct Machine {
  const start_info_t* start = nullptr;
  std::uint32_t next_grant = kFirstGrant;
};
Machine machine;

// Their own frames stay unused: others are mapped there.
Page shared_info_page;
Page grant_table_page;

long call(unsigned number, std::uintptr_t a = 0, std::uintptr_t b = 0, std::uintptr_t c = 0) {
  long result = 0;
  __asm__ volatile("syscall"
                   : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                   : "a"(number)
                   : "rcx", "r11", "r10", "r8", "memory");
  return result;
}

template <typename T>
long call(unsigned number, unsigned operation, T& argument) {
  return call(number, operation, reinterpret_cast<std::uintptr_t>(&argument));
}

void map(Page& at, std::uint64_t frame) {
  if (call(__HYPERVISOR_update_va_mapping, reinterpret_cast<std::uintptr_t>(&at), (frame << 12U) | kTableFlags,
           UVMF_INVLPG) != 0) {
    call(__HYPERVISOR_sched_op, SCHEDOP_shutdown);
  }
}

shared_info_t& shared() { return *reinterpret_cast<shared_info_t*>(&shared_info_page); }
grant_entry_v1_t* grants() { return reinterpret_cast<grant_entry_v1_t*>(&grant_table_page); }

std::uint64_t frame_of(const Page& page) {
  const auto* const frames = reinterpret_cast<const std::uint64_t*>(machine.start->mfn_list);
  return frames[(reinterpret_cast<std::uintptr_t>(&page) - kBase) / kPageBytes];
}

// Where the builder has mapped a page that it names by its frame.
Page& page_of(std::uint64_t frame) {
  const auto* const numbers = reinterpret_cast<const std::uint64_t*>(MACH2PHYS_VIRT_START);
  return *reinterpret_cast<Page*>(kBase + numbers[frame] * kPageBytes);
}

std::uint64_t clock_counter() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (std::uint64_t{high} << 32U) | low;
}

void put_on_console(std::string_view text) {
  auto& console = *reinterpret_cast<xencons_interface*>(&console_page());
  for (const char c : text) {
    const std::uint32_t produced = console.out_prod;
    while (produced - __atomic_load_n(&console.out_cons, __ATOMIC_ACQUIRE) >= kConsoleBytes) {
      ring(console_port());
      wait(console_port(), 1'000'000'000);
    }
    console.out[produced % kConsoleBytes] = c;
    __atomic_store_n(&console.out_prod, produced + 1, __ATOMIC_RELEASE);
  }
}

}  // namespace

Page& store_page() { return page_of(machine.start->store_mfn); }
Page& console_page() { return page_of(machine.start->console.domU.mfn); }
std::uint32_t store_port() { return machine.start->store_evtchn; }
std::uint32_t console_port() { return machine.start->console.domU.evtchn; }

std::uint32_t grant(const Page& page, std::uint16_t to) {
  if (machine.next_grant == kGrants) {
    die("no grant is left");
  }
  grant_entry_v1_t& entry = grants()[machine.next_grant];
  entry.domid = to;
  entry.frame = static_cast<std::uint32_t>(frame_of(page));
  __atomic_store_n(&entry.flags, std::uint16_t{GTF_permit_access}, __ATOMIC_RELEASE);
  return machine.next_grant++;
}

void revoke(std::uint32_t number) { __atomic_store_n(&grants()[number].flags, std::uint16_t{0}, __ATOMIC_SEQ_CST); }

std::uint32_t new_port() {
  evtchn_alloc_unbound_t wanted{};
  wanted.dom = DOMID_SELF;
  wanted.remote_dom = 0;
  if (call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, wanted) != 0) {
    die("no port is to be had");
  }
  return wanted.port;
}

void ring(std::uint32_t port) {
  evtchn_send_t send{};
  send.port = port;
  call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, send);
}

// As xen/xen.h asks of readers of struct vcpu_time_info: the hypervisor may write it between any two instructions, and
// a version that is odd, or another one afterwards, says so. With a counter from before and a base from after that the
// time would be centuries ahead, and a zone that sleeps never wake.
std::uint64_t now_ns() {
  const vcpu_time_info_t* const shown = &shared().vcpu_info[0].time;
  vcpu_time_info_t time{};
  std::uint64_t counter = 0;
  do {
    time.version = __atomic_load_n(&shown->version, __ATOMIC_ACQUIRE);
    time.tsc_timestamp = __atomic_load_n(&shown->tsc_timestamp, __ATOMIC_RELAXED);
    time.system_time = __atomic_load_n(&shown->system_time, __ATOMIC_RELAXED);
    time.tsc_to_system_mul = __atomic_load_n(&shown->tsc_to_system_mul, __ATOMIC_RELAXED);
    time.tsc_shift = __atomic_load_n(&shown->tsc_shift, __ATOMIC_RELAXED);
    counter = clock_counter();
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
  } while (time.version % 2 != 0 || time.version != __atomic_load_n(&shown->version, __ATOMIC_RELAXED));
  std::uint64_t ticks = counter - time.tsc_timestamp;
  ticks = time.tsc_shift >= 0 ? ticks << static_cast<unsigned>(time.tsc_shift)
                              : ticks >> static_cast<unsigned>(-time.tsc_shift);
  return time.system_time +
         static_cast<std::uint64_t>((static_cast<unsigned __int128>(ticks) * time.tsc_to_system_mul) >> 32U);
}

void wait(std::uint32_t port, std::uint64_t at_most_ns) {
  evtchn_port_t ports[1] = {port};
  sched_poll_t poll{};
  set_xen_guest_handle(poll.ports, ports);
  poll.nr_ports = port == 0 ? 0 : 1;
  poll.timeout = now_ns() + at_most_ns;
  call(__HYPERVISOR_sched_op, SCHEDOP_poll, poll);
  __atomic_and_fetch(&shared().evtchn_pending[port / 64], ~(1UL << (port % 64)), __ATOMIC_SEQ_CST);
}

void sleep(std::uint64_t ns) {
  const std::uint64_t end = now_ns() + ns;
  for (std::uint64_t now = now_ns(); now < end; now = now_ns()) {
    wait(0, end - now);
  }
}

void say(std::string_view text, std::string_view more) {
  put_on_console(text);
  put_on_console(more);
  put_on_console("\n");
  ring(console_port());
}

void check(std::string_view what, bool is_right, std::string_view seen) {
  put_on_console(is_right ? "ok: " : "WRONG: ");
  put_on_console(what);
  put_on_console(seen.empty() ? "" : ": ");
  say(seen);
}

void power_off() {
  sched_shutdown_t how{};
  how.reason = SHUTDOWN_poweroff;
  call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, how);
  for (;;) {
  }
}

void die(std::string_view why) {
  say("WRONG: ", why);
  power_off();
}

Text& Text::add(std::uint64_t number) {
  char digits[20];
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count > 0) {
    add(std::string_view(&digits[--count], 1));
  }
  return *this;
}

std::uint64_t Text::number() const {
  std::uint64_t number = 0;
  for (const char c : view()) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<unsigned>(c - '0');
    }
  }
  return number;
}

void run();  // main.cc

}  // namespace hostile

// What the compiler calls by itself.
extern "C" {
void* memcpy(void* to, const void* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    static_cast<char*>(to)[i] = static_cast<const char*>(from)[i];
  }
  return to;
}
void* memset(void* to, int value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    static_cast<char*>(to)[i] = static_cast<char>(value);
  }
  return to;
}
int memcmp(const void* a, const void* b, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    if (static_cast<const unsigned char*>(a)[i] != static_cast<const unsigned char*>(b)[i]) {
      return static_cast<const unsigned char*>(a)[i] < static_cast<const unsigned char*>(b)[i] ? -1 : 1;
    }
  }
  return 0;
}
const void* memchr(const void* bytes, int value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (static_cast<const unsigned char*>(bytes)[i] == static_cast<unsigned char>(value)) {
      return static_cast<const unsigned char*>(bytes) + i;
    }
  }
  return nullptr;
}
std::size_t strlen(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') {
    ++size;
  }
  return size;
}

[[noreturn]] void hostile_begin(const start_info_t* start) {
  using namespace hostile;
  machine.start = start;
  map(shared_info_page, start->shared_info >> 12U);
  std::uint64_t frame = 0;
  gnttab_setup_table_t table{};
  table.dom = DOMID_SELF;
  table.nr_frames = 1;
  set_xen_guest_handle(table.frame_list, &frame);
  // One table: a hypercall that takes an array.
  if (call(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, reinterpret_cast<std::uintptr_t>(&table), 1) != 0 ||
      table.status != GNTST_okay) {
    power_off();
  }
  map(grant_table_page, frame);
  run();
  power_off();
}
}
