#include "lab/hostile/store.h"

namespace hostile {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t events = 0;

void put(const char* bytes, std::size_t count) {
  Page& page = store_page();
  std::uint32_t at = load(page, kRequestsPut);
  while (count > 0) {
    if (at - load(page, kRequestsTaken) >= kRingBytes) {
      ring(store_port());
      wait(store_port(), kSecond);
      continue;
    }
    page.bytes[at % kRingBytes] = static_cast<std::byte>(*bytes++);
    --count;
    store(page, kRequestsPut, ++at);
  }
  ring(store_port());
}

void take(char* bytes, std::size_t count) {
  Page& page = store_page();
  std::uint32_t at = load(page, kAnswersTaken);
  while (count > 0) {
    if (at == load(page, kAnswersPut)) {
      ring(store_port());
      wait(store_port(), kSecond);
      continue;
    }
    *bytes++ = static_cast<char>(page.bytes[kRingBytes + at % kRingBytes]);
    --count;
    store(page, kAnswersTaken, ++at);
  }
}

}  // namespace

void send(Request request, std::string_view payload, std::uint32_t transaction) {
  const Header header{.request = static_cast<std::uint32_t>(request),
                      .number = 0,
                      .transaction = transaction,
                      .bytes = static_cast<std::uint32_t>(payload.size())};
  put(reinterpret_cast<const char*>(&header), sizeof(header));
  put(payload.data(), payload.size());
}

Text answer() {
  for (;;) {
    Header header{};
    take(reinterpret_cast<char*>(&header), sizeof(header));
    Text text;
    for (std::uint32_t i = 0; i < header.bytes; ++i) {
      char c = 0;
      take(&c, 1);
      if (c != '\0' || i + 1 < header.bytes) {  // without the nul at the end of most
        text.add(std::string_view(&c, 1));
      }
    }
    if (header.request != static_cast<std::uint32_t>(Request::event)) {
      ring(store_port());
      return text;
    }
    events += text.view().find("/data/") == std::string_view::npos ? 1U : 0U;
  }
}

std::uint64_t events_passed() { return events; }

Text ask(Request request, std::string_view payload, std::uint32_t transaction) {
  send(request, payload, transaction);
  return answer();
}

Text read(std::string_view path) { return ask(Request::read, Text().add(path).end().view()); }

Text write(std::string_view path, std::string_view value, std::uint32_t transaction) {
  return ask(Request::write, Text().add(path).end().add(value).view(), transaction);
}

Text write(std::string_view path, std::uint64_t value) { return write(path, Text().add(value).view()); }

bool await(std::string_view path, std::string_view value) {
  for (int left = 500; left > 0; --left) {
    if (read(path).view() == value) {
      return true;
    }
    sleep(20'000'000);
  }
  return false;
}

}  // namespace hostile
