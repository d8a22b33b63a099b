// Domain 0's end of xenstore: whichever program serves it, on a socket or by the kernel's device.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krata/store/serving.h"
#include "krata/store/wire.h"

namespace krata::store {

struct WatchEvent {
  std::string path;
  std::string token;
};

struct NewNode {
  std::string path;
  std::string value;
  std::vector<std::string> permissions;  // as set_permissions() takes them; none: those that its parent has
};

// One thread. Each request blocks until its answer is there, kAnswerPatience at most. Fails with not_found (ENOENT),
// permission (EACCES), unavailable (nobody answers any more: make a new client), limit and invalid_input.
class StoreClient {
 public:
  // `path`: a socket, or /dev/xen/xenbus. Empty: the first of krata-store's socket, another xenstored's, the device.
  static common::Result<std::unique_ptr<StoreClient>> connect(const std::string& path);

  common::Result<std::string> read(const std::string& path);
  // Nothing: there is no such node.
  common::Result<std::optional<std::string>> find(const std::string& path);
  common::Result<std::vector<std::string>> directory(const std::string& path);  // of any number: DIRECTORY_PART
  common::Result<void> write(const std::string& path, std::string_view value);
  // In this order, and all asked for before the first answer is there: where one is refused, those behind it may be
  // written nevertheless.
  common::Result<void> write(std::span<const NewNode> nodes);
  // What each node right below `path` holds, by its name; asked for at once too.
  common::Result<std::map<std::string, std::string, std::less<>>> read_all(const std::string& path);
  common::Result<void> remove(const std::string& path);  // also where there is none
  // "n5", "r0": the first one owns the node.
  common::Result<void> set_permissions(const std::string& path, const std::vector<std::string>& permissions);
  // `ring_frame` and `port` are for a store that maps the ring by frame; those that use grants take the reserved one.
  common::Result<void> introduce(std::uint32_t domain, std::uint64_t ring_frame, std::uint32_t port);
  common::Result<void> release(std::uint32_t domain);
  // How many requests krata-store has answered, by operation, and kRefusedRequests: how many of them it has refused.
  // Fails with invalid_input where another program serves xenstore.
  common::Result<std::map<std::string, std::uint64_t>> requests();
  // One event comes at once.
  common::Result<void> watch(const std::string& path, const std::string& token);
  common::Result<void> unwatch(const std::string& path, const std::string& token);

  // Readable (EPOLLIN) when an event may have come; fetch all.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The next one, without waiting. Nothing: none has come.
  common::Result<std::optional<WatchEvent>> next_event();
  // Some came while an answer was waited for: fd() need not say so.
  [[nodiscard]] bool has_event() const { return !events_.empty(); }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  StoreClient(std::string path, common::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  struct Request {
    Operation operation;
    std::string payload;
  };
  common::Result<std::string> ask(Operation operation, std::string payload);
  std::vector<common::Result<std::string>> ask_all(std::span<const Request> requests);
  common::Result<void> send_all(std::span<const Request> requests);
  common::Result<std::string> answer_to(std::uint32_t number, std::string_view payload);
  common::Result<void> send(std::string_view bytes);
  common::Result<bool> receive_some(int wait_ms);
  std::optional<std::pair<Header, std::string>> take_message();

  std::string path_;
  common::Fd fd_;
  std::string bytes_;
  std::deque<WatchEvent> events_;
  std::uint32_t last_request_ = 0;
};

inline constexpr const char* kRefusedRequests = "refused";
inline constexpr int kAnswerPatienceMs = 10'000;
inline constexpr const char* kDevice = "/dev/xen/xenbus";

}  // namespace krata::store
