#include "lab/hostile/store.h"
#include "lab/hostile/ways.h"

namespace hostile {

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kWhile = 2'000 * kMillisecond;  // a storm

// What breaks the ring; then nothing more is heard of the store. Until somebody ends the domain.
void broken() {
  ring(store_port());
  say("done");
  for (;;) {
    sleep(1000 * kMillisecond);
  }
}

void jump() {
  store(store_page(), kRequestsPut, load(store_page(), kRequestsPut) + 2 * kRingBytes);
  broken();
}
void back() {
  store(store_page(), kRequestsPut, load(store_page(), kRequestsPut) - 100);
  broken();
}
// More answers than were given; the store sees it when it has one to give.
void taken() {
  store(store_page(), kAnswersTaken, load(store_page(), kAnswersTaken) + 2 * kRingBytes);
  send(Request::read, Text().add("name").end().view());
  broken();
}
void own() {
  store(store_page(), kRequestsTaken, load(store_page(), kRequestsTaken) + 3);
  store(store_page(), kAnswersPut, load(store_page(), kAnswersPut) + 5);
  broken();
}
void put_header(std::uint32_t bytes) {
  Page& page = store_page();
  const Header header{.request = 2, .number = 0, .transaction = 0, .bytes = bytes};
  const std::uint32_t at = load(page, kRequestsPut);
  for (std::uint32_t i = 0; i < sizeof(header); ++i) {
    page.bytes[(at + i) % kRingBytes] = reinterpret_cast<const std::byte*>(&header)[i];
  }
  store(page, kRequestsPut, at + sizeof(header));
}
void longer() {
  put_header(4097);
  broken();
}
void negative() {
  put_header(0xffff'ffff);
  broken();
}

// Requests whose answers nobody takes (XSA-326): as many as there is room for.
void mute() {
  Page& page = store_page();
  constexpr std::string_view kPayload("name\0", 5);
  const Header header{.request = 2, .number = 0, .transaction = 0, .bytes = kPayload.size()};
  std::uint32_t sent = 0;
  for (const std::uint64_t end = now_ns() + kWhile; now_ns() < end;) {
    const std::uint32_t at = load(page, kRequestsPut);
    if (kRingBytes - (at - load(page, kRequestsTaken)) < sizeof(header) + kPayload.size()) {
      ring(store_port());
      wait(store_port(), kMillisecond);
      continue;
    }
    for (std::uint32_t i = 0; i < sizeof(header); ++i) {
      page.bytes[(at + i) % kRingBytes] = reinterpret_cast<const std::byte*>(&header)[i];
    }
    for (std::uint32_t i = 0; i < kPayload.size(); ++i) {
      page.bytes[(at + sizeof(header) + i) % kRingBytes] = static_cast<std::byte>(kPayload[i]);
    }
    store(page, kRequestsPut, at + static_cast<std::uint32_t>(sizeof(header) + kPayload.size()));
    ring(store_port());
    ++sent;
  }
  check("few requests are taken in whose answers nobody takes", sent < 200, Text().add(sent).view());
}

void refused(std::string_view what, const Text& seen, std::string_view error) {
  check(what, seen.view() == error, seen.view());
}

// Until one is refused; how many were not.
template <typename Make>
std::uint64_t fill(std::string_view what, std::string_view error, const Make& make) {
  for (std::uint64_t count = 0; count < 5000; ++count) {
    if (const Text seen = make(count); seen.view() == error) {
      check(what, true, Text().add(count).add(", then ").add(error).view());
      return count;
    } else if (!seen.view().empty() && seen.view().front() == 'E') {
      check(what, false, seen.view());
      return count;
    }
  }
  check(what, false, "no end");
  return 0;
}

void limits() {
  fill("watches end", "E2BIG", [](std::uint64_t count) {
    return ask(Request::watch, Text().add("data").end().add("w").add(count).end().view());
  });
  fill("transactions end", "ENOSPC",
       [](std::uint64_t) { return ask(Request::transaction_start, std::string_view("\0", 1)); });
  fill("nodes end", "ENOSPC", [](std::uint64_t count) {
    return write(Text().add("data/n").add(count / 100).add("/").add(count).view(), "x");
  });
  Text deep;
  deep.add("data");
  for (int i = 0; i < 1000; ++i) {
    deep.add("/d");
  }
  const Text seen = write(deep.view(), "x");
  check("a folder in a folder ends", seen.view() == "ENOSPC" || seen.view() == "EINVAL", seen.view());
  Text large;
  for (int i = 0; i < 3000; ++i) {
    large.add("x");
  }
  refused("a value ends", write("data/large", large.view()), "ENOSPC");
  ask(Request::reset_watches, std::string_view("\0", 1));
  check("and it may begin anew",
        ask(Request::watch, Text().add("data").end().add("again").end().view()).view() == "OK");
}

void foreign() {
  refused("another domain's node", write("/local/domain/0/name", "mine"), "EACCES");
  refused("a node of nobody", write("/tool/mine", "x"), "EACCES");
  refused("its own name", write("name", "good"), "EACCES");
  refused("its back ends", write("/local/domain/0/krata/vbd/x", "1"), "EACCES");
  refused("to remove everything", ask(Request::remove, Text().add("/").end().view()), "EACCES");
  refused("to give itself rights",
          ask(Request::set_permissions, Text().add("/local/domain/0").end().add("n0").end().add("w1").end().view()),
          "EACCES");
  refused("INTRODUCE", ask(Request::introduce, Text().add("7").end().add("1").end().add("1").end().view()), "EACCES");
  refused("RELEASE", ask(Request::release, Text().add("0").end().view()), "EACCES");
  refused("RESUME", ask(Request::resume, Text().add("0").end().view()), "EACCES");
  refused("SET_TARGET", ask(Request::set_target, Text().add("1").end().add("0").end().view()), "EACCES");
  refused("a transaction of nobody", write("data/x", "1", 4711), "ENOENT");
  refused("RESET_WATCHES in one", ask(Request::reset_watches, std::string_view("\0", 1), 4711), "ENOENT");
}

// Of who begins and who ends, and of everything, it is told once: that the watch is there (XSA-115).
void watch() {
  for (const std::string_view path : {"@releaseDomain", "@introduceDomain", "/", "/local/domain", "/local/domain/0"}) {
    ask(Request::watch, Text().add(path).end().add("w").end().view());
  }
  sleep(300 * kMillisecond);
  read("name");
  const std::uint64_t before = events_passed();
  say("watching");
  await("data/stop", "now");
  check("it is told nothing of others", events_passed() == before,
        Text().add(events_passed() - before).add(" events").view());
}

// A transaction that is never ended, under which everything changes; and one that always conflicts.
void transactions() {
  const Text open = ask(Request::transaction_start, std::string_view("\0", 1));
  const auto id = static_cast<std::uint32_t>(open.number());
  for (std::uint64_t i = 0; i < 300; ++i) {
    write("data/under", i);
  }
  write("data/under", "mine", id);
  refused("who comes late does it again", ask(Request::transaction_end, std::string_view("T\0", 2), id), "EAGAIN");
}

// Rings, and rewrites what others watch (XSA-332, XSA-349).
void storm() {
  std::uint64_t rings = 0;
  for (const std::uint64_t end = now_ns() + kWhile; now_ns() < end; ++rings) {
    ring(store_port());
    ring(console_port());
  }
  std::uint64_t writes = 0;
  for (const std::uint64_t end = now_ns() + kWhile; now_ns() < end; ++writes) {
    write("device/vbd/51712/state", writes % 7);
    write("device/console/1/state", writes % 7);
  }
  check("a storm", true, Text().add(rings).add(" rings, ").add(writes).add(" rewrites").view());
}

// One that does nothing wrong, all the time, until data/stop is there: it has to be served as if the others were not.
void good() {
  std::uint64_t rounds = 0;
  std::uint64_t slowest = 0;
  while (read("data/stop").view() == "ENOENT") {
    const std::uint64_t begin = now_ns();
    ++rounds;
    write("data/counter", rounds);
    if (read("data/counter").number() != rounds) {
      die("the store lost a write");
    }
    slowest = now_ns() - begin > slowest ? now_ns() - begin : slowest;
    if (rounds % 16 == 0) {
      say("round");
    }
    sleep(20 * kMillisecond);
  }
  check("rounds", rounds > 20, Text().add(rounds).add(", the slowest ").add(slowest / kMillisecond).add(" ms").view());
}

constexpr Way kWays[] = {{"store-jump", jump},
                         {"store-back", back},
                         {"store-taken", taken},
                         {"store-own", own},
                         {"store-long", longer},
                         {"store-negative", negative},
                         {"store-mute", mute},
                         {"store-limits", limits},
                         {"store-foreign", foreign},
                         {"store-watch", watch},
                         {"store-transactions", transactions},
                         {"store-storm", storm},
                         {"good", good}};

}  // namespace

std::span<const Way> store_ways() { return kWays; }

}  // namespace hostile
