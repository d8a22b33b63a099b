#include "lab/hostile/store.h"
#include "lab/hostile/ways.h"

namespace hostile {

namespace {

// xen/io/ring.h and xen/io/blkif.h, as a 64-bit x86 guest lays them out.
constexpr std::size_t kRequestsPut = 0;
constexpr std::size_t kAnswersPut = 8;
constexpr std::size_t kAnswerEvent = 12;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kSlotBytes = 112;
constexpr std::uint32_t kSlots = 32;
constexpr int kOk = 0;
constexpr int kError = -1;
constexpr int kUnsupported = -2;
enum : std::uint8_t { kRead = 0, kWrite = 1, kBarrier = 2, kFlush = 3, kDiscard = 5, kIndirect = 6 };

struct Segment {
  std::uint32_t grant;
  std::uint8_t first;
  std::uint8_t last;
  std::uint16_t padding;
};
struct Request {
  std::uint8_t operation;
  std::uint8_t segments;
  std::uint16_t handle;
  std::uint32_t padding;
  std::uint64_t id;
  std::uint64_t sector;
  Segment segment[11];
};
static_assert(sizeof(Request) == kSlotBytes);
struct Indirect {
  std::uint8_t operation;
  std::uint8_t meant;
  std::uint16_t segments;
  std::uint32_t padding;
  std::uint64_t id;
  std::uint64_t sector;
  std::uint16_t handle;
  std::uint16_t padding2;
  std::uint32_t grant[8];
  std::uint8_t unused[kSlotBytes - 60];
};
static_assert(sizeof(Indirect) == kSlotBytes);
struct Answer {
  std::uint64_t id;
  std::uint8_t operation;
  std::uint8_t padding;
  std::int16_t status;
};

constexpr std::uint64_t kMillisecond = 1'000'000;
std::string_view disk = "device/vbd/51712/";

Page disk_ring;
Page data;
Page list;  // of an indirect request's segments
std::uint32_t port = 0;
std::uint32_t requests = 0;
std::uint64_t sectors = 0;

Text front(std::string_view name) { return Text().add(disk).add(name); }

void rest() {
  say("done");
  for (;;) {
    sleep(1000 * kMillisecond);
  }
}

Text back(std::string_view name) {
  return read(Text().add(read(front("backend").view()).view()).add("/").add(name).view());
}

bool await_back(std::string_view value) {
  return await(Text().add(read(front("backend").view()).view()).add("/state").view(), value);
}

void connect() {
  check("the disk is offered", await_back("2"));
  port = new_port();
  write(front("ring-ref").view(), grant(disk_ring));
  write(front("event-channel").view(), port);
  store(disk_ring, kAnswerEvent, 1);
  write(front("state").view(), "3");
  check("the disk is connected", await_back("4"));
  write(front("state").view(), "4");
  sectors = back("sectors").number();
}

// The status of its answer. 99: none came.
template <typename T>
int ask(T request) {
  static_assert(sizeof(T) == kSlotBytes);
  request.id = 4711 + requests;
  auto* const slot = disk_ring.bytes + kHeaderBytes + requests % kSlots * kSlotBytes;
  for (std::size_t i = 0; i < kSlotBytes; ++i) {
    slot[i] = reinterpret_cast<const std::byte*>(&request)[i];
  }
  const std::uint32_t wanted = ++requests;
  store(disk_ring, kAnswerEvent, wanted);
  store(disk_ring, kRequestsPut, wanted);
  ring(port);
  for (int left = 500; left > 0 && load(disk_ring, kAnswersPut) != wanted; --left) {
    wait(port, 20 * kMillisecond);
  }
  const auto* const answer = reinterpret_cast<const Answer*>(slot);
  return load(disk_ring, kAnswersPut) == wanted && answer->id == request.id ? answer->status : 99;
}

Request reading(std::uint64_t sector, std::uint32_t grant_number) {
  Request request{};
  request.segments = 1;
  request.sector = sector;
  request.segment[0] = {.grant = grant_number, .first = 0, .last = 7, .padding = 0};
  return request;
}

void expect(std::string_view what, int status, int wanted) {
  check(what, status == wanted,
        Text().add(static_cast<std::uint64_t>(status < 0 ? -status : status)).add(status < 0 ? " below 0" : "").view());
}

void wrong_requests(std::uint32_t lent) {
  Request request = reading(0, lent);
  request.segments = 255;
  expect("255 segments", ask(request), kError);
  request.segments = 12;
  expect("12 segments", ask(request), kError);
  request.segments = 0;
  expect("no segment", ask(request), kError);
  request = reading(0, lent);
  request.segment[0] = {.grant = lent, .first = 0, .last = 255, .padding = 0};
  expect("a sector beyond the page", ask(request), kError);
  request.segment[0] = {.grant = lent, .first = 7, .last = 0, .padding = 0};
  expect("sectors backwards", ask(request), kError);
  expect("a sector beyond the disk", ask(reading(sectors, lent)), kError);
  expect("the last sectors and one more", ask(reading(sectors - 7, lent)), kError);
  expect("sector 2^64 - 1", ask(reading(~std::uint64_t{0}, lent)), kError);
  expect("sector 2^63", ask(reading(std::uint64_t{1} << 63U, lent)), kError);
  request = reading(0, lent);
  request.operation = kWrite;
  expect("a write to what is only read", ask(request), kError);
  request.operation = kDiscard;
  request.segments = 0;  // its flags
  expect("a discard there", ask(request), kError);
  for (const std::uint8_t operation : {std::uint8_t{kBarrier}, std::uint8_t{4}, std::uint8_t{7}, std::uint8_t{255}}) {
    request.operation = operation;
    expect("an operation that is not offered", ask(request), kUnsupported);
  }
}

void wrong_grants(std::uint32_t lent) {
  expect("a page that was never lent", ask(reading(0, 500)), kError);
  expect("a number beyond the table", ask(reading(0, 0xffff'ffff)), kError);
  expect("the console's page, whose number is another's", ask(reading(0, 100'000)), kError);
  const std::uint32_t others = grant(data, 5);
  expect("a page that is lent to another", ask(reading(0, others)), kError);
  const std::uint32_t revoked = grant(data);
  revoke(revoked);
  expect("a page that was taken back", ask(reading(0, revoked)), kError);
  Request request = reading(0, lent);
  request.segments = 2;
  request.segment[1] = {.grant = revoked, .first = 0, .last = 7, .padding = 0};
  expect("the second page taken back", ask(request), kError);
}

Indirect indirect(std::uint8_t meant, std::uint16_t segments, std::uint32_t grant_number) {
  Indirect request{};
  request.operation = kIndirect;
  request.meant = meant;
  request.segments = segments;
  request.grant[0] = grant_number;
  return request;
}

void wrong_lists(std::uint32_t lent) {
  auto* const segments = reinterpret_cast<Segment*>(&list);
  for (int i = 0; i < 64; ++i) {
    segments[i] = {.grant = lent, .first = 0, .last = 0, .padding = 0};
  }
  const std::uint32_t lent_list = grant(list);
  expect("a list", ask(indirect(kRead, 1, lent_list)), kOk);
  expect("a list of nothing", ask(indirect(kRead, 0, lent_list)), kError);
  expect("a list beyond what is offered", ask(indirect(kRead, 65, lent_list)), kError);
  expect("a list of 65535", ask(indirect(kRead, 65535, lent_list)), kError);
  expect("a list in a list", ask(indirect(kIndirect, 1, lent_list)), kError);
  expect("a list to write", ask(indirect(kWrite, 1, lent_list)), kError);
  expect("a list in a page that was never lent", ask(indirect(kRead, 1, 501)), kError);
  segments[1] = {.grant = lent, .first = 9, .last = 200, .padding = 0};
  expect("a list whose second segment is none", ask(indirect(kRead, 2, lent_list)), kError);
}

void block_requests() {
  connect();
  const std::uint32_t lent = grant(data);
  expect("a read", ask(reading(0, lent)), kOk);
  check("has the file system's bytes", data.bytes[0] == std::byte{'h'} && data.bytes[1] == std::byte{'s'});
  wrong_requests(lent);
  wrong_grants(lent);
  wrong_lists(lent);
  expect("a read at last", ask(reading(0, lent)), kOk);
}

// Pages of its third disk, which is large enough to borrow them, that it takes back.
void block_lent() {
  disk = "device/vbd/51744/";
  write(front("feature-persistent").view(), "1");
  connect();
  const std::uint32_t lent = grant(data);
  expect("a read", ask(reading(0, lent)), kOk);
  check("has the file system's bytes", data.bytes[0] == std::byte{'h'} && data.bytes[1] == std::byte{'s'});
  data.bytes[0] = std::byte{0};
  revoke(lent);
  expect("a read into what it has taken back", ask(reading(0, lent)), kOk);
  check("is into the page that was lent", data.bytes[0] == std::byte{'h'});
  wrong_requests(lent);
  wrong_grants(lent);
  wrong_lists(lent);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    refused += ask(reading(0, grant(data))) == kOk ? 0 : 1;
  }
  check("so many pages as it likes", refused == 0);
  expect("a read at last", ask(reading(0, lent)), kOk);
}

void block_jump() {
  connect();
  store(disk_ring, kRequestsPut, kSlots + 1);
  ring(port);
  check("the disk is closed", await_back("6"));
  rest();
}
void block_back() {
  connect();
  const std::uint32_t lent = grant(data);
  for (int i = 0; i < 40; ++i) {
    ask(reading(0, lent));
  }
  store(disk_ring, kRequestsPut, requests - 1);
  ring(port);
  check("the disk is closed", await_back("6"));
  rest();
}
// A full ring again and again, none of whose answers is looked at, and its requests changed under the reader (XSA-155).
void block_storm() {
  connect();
  const std::uint32_t lent = grant(data);
  std::uint64_t turns = 0;
  for (const std::uint64_t end = now_ns() + 3'000 * kMillisecond; now_ns() < end; ++turns) {
    const Request request = reading(turns % 2 == 0 ? 0 : ~std::uint64_t{0}, lent);
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      auto* const at = disk_ring.bytes + kHeaderBytes + slot * kSlotBytes;
      for (std::size_t i = 0; i < kSlotBytes; ++i) {
        at[i] = reinterpret_cast<const std::byte*>(&request)[i];
      }
    }
    requests = load(disk_ring, kAnswersPut) + kSlots;
    store(disk_ring, kRequestsPut, requests);
    ring(port);
  }
  check("a storm", true, Text().add(turns).add(" rings full").view());
  rest();
}

// Numbers that are none, pages that are not lent: in a loop.
void block_keys() {
  check("the disk is offered", await_back("2"));
  write(front("virtual-device").view(), "51728");
  const std::uint32_t lent = grant(disk_ring);
  for (std::uint64_t i = 0; i < 100; ++i) {
    write(front("ring-ref").view(), "18446744073709551616");
    write(front("event-channel").view(), "18446744073709551616");
    write(front("state").view(), "3");
    write(front("ring-ref").view(), lent);
    write(front("event-channel").view(), std::uint64_t{0});
    write(front("state").view(), "3");
    write(front("ring-page-order").view(), "99");
    write(front("event-channel").view(), "3");
    write(front("state").view(), "3");
    write(front("ring-page-order").view(), "2");
    write(front("state").view(), "4");
    write(front("protocol").view(), "x86_32-abi");
    write(front("state").view(), "3");
    write(front("protocol").view(), "x86_64-abi");
    write(front("state").view(), "5");
    write(front("state").view(), "6");
    write(front("state").view(), "1");
  }
  write(front("backend").view(), "/local/domain/0");
  rest();
}

// Nothing wrong: reads the disk all the time, each sector always as it was, until data/stop is there.
void good_disk() {
  connect();
  constexpr std::uint64_t kPlaces = 32;
  std::uint64_t sums[kPlaces] = {};
  const std::uint32_t lent = grant(data);
  std::uint64_t rounds = 0;
  while (read("data/stop").view() == "ENOENT") {
    const std::uint64_t place = rounds % kPlaces;
    if (ask(reading(place * 8, lent)) != kOk) {
      check("a read", false);
      return;
    }
    std::uint64_t sum = 1;
    for (std::byte& byte : data.bytes) {
      sum = sum * 31 + std::to_integer<std::uint64_t>(byte);
      byte = std::byte{0};
    }
    if (rounds >= kPlaces && sums[place] != sum) {
      check("the same sectors again", false, Text().add(place).view());
      return;
    }
    sums[place] = sum;
    ++rounds;
    if (rounds % 64 == 0) {
      say("round");
    }
    sleep(5 * kMillisecond);
  }
  check("rounds", rounds > 2 * kPlaces, Text().add(rounds).view());
}

constexpr Way kWays[] = {{"good-disk", good_disk},   {"block-requests", block_requests}, {"block-lent", block_lent},
                         {"block-jump", block_jump}, {"block-back", block_back},         {"block-storm", block_storm},
                         {"block-keys", block_keys}};

}  // namespace

std::span<const Way> block_ways() { return kWays; }

}  // namespace hostile
