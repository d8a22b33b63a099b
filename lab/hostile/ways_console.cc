#include "lab/hostile/store.h"
#include "lab/hostile/ways.h"

namespace hostile {

using std::string_view_literals::operator""sv;

namespace {

// Offsets of xen/io/console.h, and how many bytes go each way.
constexpr std::size_t kOut = 1024;
constexpr std::uint32_t kOutBytes = 2048;
constexpr std::size_t kInTaken = 3072;
constexpr std::size_t kInPut = 3076;
constexpr std::size_t kOutTaken = 3080;
constexpr std::size_t kOutPut = 3084;

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kWhile = 3'000 * kMillisecond;  // a flood
constexpr std::string_view kFront = "device/console/1/";

Page channel_page;
std::uint32_t channel_port = 0;

Text front(std::string_view name) { return Text().add(kFront).add(name); }

void rest() {
  for (;;) {
    sleep(1000 * kMillisecond);
  }
}

void offer(std::uint64_t grant_number, std::uint64_t port) {
  write(front("ring-ref").view(), grant_number);
  write(front("port").view(), port);
  write(front("state").view(), "3");
}

// The second console as a kernel offers it.
void open_channel() {
  channel_port = new_port();
  offer(grant(channel_page), channel_port);
  const Text back = read(front("backend").view());
  check("the channel is connected", await(Text().add(back.view()).add("/state").view(), "4"), back.view());
}

// Puts bytes into a ring's way out while there is room; how many.
std::uint32_t put(Page& page, std::string_view bytes) {
  const std::uint32_t at = load(page, kOutPut);
  std::uint32_t room = kOutBytes - (at - load(page, kOutTaken));
  std::uint32_t count = 0;
  for (; count < bytes.size() && room > 0; ++count, --room) {
    page.bytes[kOut + (at + count) % kOutBytes] = static_cast<std::byte>(bytes[count]);
  }
  store(page, kOutPut, at + count);
  return count;
}

void flood(Page& page, std::uint32_t port, std::string_view what) {
  std::uint64_t sent = 0;
  for (const std::uint64_t end = now_ns() + kWhile; now_ns() < end;) {
    const std::uint32_t count = put(page, what);
    sent += count;
    ring(port);
    if (count == 0) {
      wait(port, kMillisecond);
    }
  }
  if (&page == &channel_page) {
    check("a flood", true, Text().add(sent >> 10U).add(" KiB").view());
  }
}

void console_jump() {
  say("done");
  sleep(200 * kMillisecond);  // until that is read
  store(console_page(), kOutPut, load(console_page(), kOutPut) + 2 * kOutBytes);
  ring(console_port());
  rest();
}
void console_back() {
  say("done");
  sleep(200 * kMillisecond);  // until that is read
  store(console_page(), kOutPut, load(console_page(), kOutPut) - 1);
  ring(console_port());
  rest();
}
// What would drive a terminal: colours, the title, a report that is typed in by itself, and one byte for all of that.
void console_text() {
  say("\x1b[31mred\x1b]0;title\x07\x1b[6n\x9b"
      "31m\r\b\x7f\xc2\x9b\xe2\x80\xae",
      "end of text");
}
// One line without an end.
void console_line() {
  flood(console_page(), console_port(), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}
void console_flood() {
  flood(console_page(), console_port(), "y\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\ny\n");
}

void channel_jump() {
  open_channel();
  store(channel_page, kOutPut, 2 * kOutBytes);
  ring(channel_port);
  say("done");
  rest();
}
void channel_garbage() {
  open_channel();
  flood(channel_page, channel_port, "\0\1\2\3\xff\0\5hello\0\2\0\0\1\1\1\1\1\1\1\1\1\0"sv);
  say("done");
  rest();
}
// A message longer than any.
void channel_endless() {
  open_channel();
  flood(channel_page, channel_port, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  say("done");
  rest();
}
// What is said to the zone is never taken, and the indices of who says it are changed under it.
void channel_mute() {
  open_channel();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    store(channel_page, kInTaken, i * 977);
    store(channel_page, kInPut, i * 1009);
    store(channel_page, kOutTaken, i * 1013);
    ring(channel_port);
    sleep(kMillisecond);
  }
  say("done");
  rest();
}
// Numbers that are none, a page that is not lent, a port that is not there: in a loop.
void channel_keys() {
  write(front("backend").view(), "/local/domain/0");
  write(front("backend-id").view(), "7");
  const std::uint32_t lent = grant(channel_page);
  revoke(lent);
  for (std::uint64_t i = 0; i < 300; ++i) {
    write(front("ring-ref").view(), "18446744073709551616");
    write(front("port").view(), "-1");
    write(front("state").view(), "3");
    offer(lent, 1);
    offer(0xffff'ffff, 0xffff'ffff);
    write(front("state").view(), "18446744073709551619");
    write(front("state").view(), "");
  }
  say("done");
  rest();
}

constexpr Way kWays[] = {{"console-jump", console_jump},
                         {"console-back", console_back},
                         {"console-text", console_text},
                         {"console-line", console_line},
                         {"console-flood", console_flood},
                         {"channel-jump", channel_jump},
                         {"channel-keys", channel_keys},
                         {"channel-garbage", channel_garbage},
                         {"channel-endless", channel_endless},
                         {"channel-mute", channel_mute},
                         {"idle", rest}};

}  // namespace

std::span<const Way> console_ways() { return kWays; }

}  // namespace hostile
