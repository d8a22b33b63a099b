#include "krata/image/download.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kThreads = 4;
constexpr int kAttempts = 6;
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::uint64_t kProgressBytes = std::uint64_t{1} << 20U;
constexpr long kOk = 200;
constexpr long kPartial = 206;
constexpr long kRangeNotSatisfiable = 416;

// What the threads have in common.
class Shared {
 public:
  Shared(Registry& of, std::span<const Descriptor> all, Keeper& to, Progress& progress)
      : registry(of), descriptors(all), keeper(to), progress_(progress) {}

  void moved(const Descriptor& blob, std::uint64_t done_bytes) {
    const std::lock_guard lock(mutex_);
    progress_.moved(blob.digest, done_bytes, blob.size_bytes);
  }
  void done(const ContentDigest& digest, Blob blob) {
    const std::lock_guard lock(mutex_);
    blobs_.emplace(digest, std::move(blob));
  }
  void failed(Error error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) {
      failure_ = std::move(error);
    }
    stopped = true;
  }
  std::optional<Error> failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  std::map<ContentDigest, Blob>& blobs() { return blobs_; }  // when no thread runs any more

  Registry& registry;
  std::span<const Descriptor> descriptors;
  Keeper& keeper;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stopped{false};

 private:
  Progress& progress_;
  std::mutex mutex_;
  std::map<ContentDigest, Blob> blobs_;
  std::optional<Error> failure_;
};

// "bytes 100-199/200": whether it begins where we are.
bool begins_at(const HttpAnswer& head, std::uint64_t offset) {
  const auto range = head.headers.find("content-range");
  return range != head.headers.end() && range->second.starts_with(fmt::format("bytes {}-", offset));
}

// One try. Whatever came is in `partial`; an error of the code unavailable is worth another.
Result<void> try_once(Shared& shared, HttpClient& client, PartialBlob& partial) {
  const Descriptor& blob = partial.descriptor();
  const std::uint64_t from = partial.have_bytes();
  std::vector<std::string> headers;
  if (from > 0) {
    headers.push_back(fmt::format("Range: bytes={}-", from));
  }
  std::uint64_t told = from;
  bool begun = false;
  const auto take = [&](const HttpAnswer& head, std::string_view piece) -> Result<void> {
    if (shared.stopped) {
      return Error(ErrorCode::invalid_input, "stopped");
    }
    if (!std::exchange(begun, true) && from > 0 && (head.status != kPartial || !begins_at(head, from))) {
      if (auto restarted = partial.restart(); !restarted) {  // the registry sends it from its start
        return restarted;
      }
    }
    auto put = partial.put(piece);
    if (put && partial.have_bytes() - told >= kProgressBytes) {
      told = partial.have_bytes();
      shared.moved(blob, told);
    }
    return put;
  };
  KRAIT_TRY(const auto answer, shared.registry.get(client, "blobs/" + blob.digest.text(), headers, take));
  if (answer.status == kRangeNotSatisfiable) {
    auto restarted = partial.restart();
    return restarted ? Result<void>(Error(ErrorCode::unavailable, "the registry has no such part")) : restarted;
  }
  if (answer.status != kOk && answer.status != kPartial) {
    const std::string text = fmt::format("the registry answers {}", status_text(answer));
    return answer.status >= 500 || answer.status == 429 ? Error(ErrorCode::unavailable, text) : refused("{}", text);
  }
  return partial.have_bytes() == blob.size_bytes
             ? Result<void>()
             : Error(ErrorCode::unavailable,
                     fmt::format("the registry ended it after {} of {} bytes", partial.have_bytes(), blob.size_bytes));
}

Result<void> fill(Shared& shared, HttpClient& client, PartialBlob& partial) {
  const std::uint64_t size = partial.descriptor().size_bytes;
  auto pause = kFirstPause;
  for (int attempt = 1; partial.have_bytes() < size || size == 0; ++attempt) {
    auto tried = try_once(shared, client, partial);
    if (tried || tried.error().code() != ErrorCode::unavailable || shared.stopped) {
      return tried;
    }
    if (attempt == kAttempts) {
      // Of a registry that answers and never delivers, the image is at fault; of one that is gone, the network.
      return partial.have_bytes() == 0 ? tried : refused("after {} attempts: {}", kAttempts, tried.error().text());
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
  return {};
}

Result<Blob> bring(Shared& shared, HttpClient& client, const Descriptor& descriptor) {
  for (bool again : {true, false}) {
    KRAIT_TRY(auto partial, shared.keeper.begin(descriptor));
    // Somebody else may have brought it while we waited for the turn.
    KRAIT_TRY(auto found, shared.keeper.find(descriptor));
    if (found) {
      return *std::move(found);
    }
    const bool was_begun = partial.have_bytes() > 0;
    shared.moved(descriptor, partial.have_bytes());
    KRAIT_CHECK(fill(shared, client, partial));
    auto kept = shared.keeper.keep(std::move(partial));
    // What an earlier process left may be damaged: without it things may be right.
    if (kept || !was_begun || !again) {
      return kept;
    }
  }
  return Error(ErrorCode::system, "unreachable");
}

Result<void> bring_one(Shared& shared, HttpClient& client, const Descriptor& descriptor) {
  KRAIT_TRY(auto found, shared.keeper.find(descriptor));
  KRAIT_TRY(auto blob, found ? Result<Blob>(std::move(*found)) : bring(shared, client, descriptor),
            fmt::format("layer {}", descriptor.digest.short_text()));
  shared.moved(descriptor, descriptor.size_bytes);
  shared.done(descriptor.digest, std::move(blob));
  return {};
}

void work(Shared& shared) {
  auto client = shared.registry.client();
  if (!client) {
    shared.failed(std::move(client.error()));
    return;
  }
  while (!shared.stopped) {
    const std::size_t i = shared.next++;
    if (i >= shared.descriptors.size()) {
      return;
    }
    if (auto brought = bring_one(shared, *client, shared.descriptors[i]); !brought) {
      shared.failed(std::move(brought.error()));
    }
  }
}

void work_within_memory(Shared& shared) {
  try {
    work(shared);
  } catch (const std::bad_alloc&) {
    shared.failed(Error::from_errno(ENOMEM, "download"));
  }
}

Result<std::vector<Blob>> in_order(std::span<const Descriptor> descriptors, std::map<ContentDigest, Blob>& brought) {
  std::vector<Blob> blobs;
  for (const Descriptor& descriptor : descriptors) {
    const Blob& blob = brought.at(descriptor.digest);
    Fd fd(::fcntl(blob.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd.valid()) {
      return Error::from_errno(errno, "open a file again");
    }
    blobs.push_back({.fd = std::move(fd), .offset = blob.offset, .size_bytes = blob.size_bytes});
  }
  return blobs;
}

}  // namespace

Result<std::vector<Blob>> download(Registry& registry, std::span<const Descriptor> descriptors, Keeper& keeper,
                                   Progress& progress) {
  std::vector<Descriptor> each;
  for (const Descriptor& descriptor : descriptors) {
    const auto known = std::ranges::find(each, descriptor.digest, &Descriptor::digest);
    if (known == each.end()) {
      each.push_back(descriptor);
    } else if (known->size_bytes != descriptor.size_bytes) {
      return refused("the manifest gives the layer {} two sizes", descriptor.digest.short_text());
    }
  }
  Shared shared(registry, each, keeper, progress);
  {
    std::vector<std::jthread> threads;
    try {
      for (std::size_t i = 0; i < std::min(kThreads, each.size()); ++i) {
        threads.emplace_back([&shared] { work_within_memory(shared); });
      }
    } catch (const std::system_error& error) {
      if (threads.empty()) {
        shared.failed(Error::from_errno(error.code().value(), "start a thread"));
      }
    }
  }
  if (auto failure = shared.failure()) {
    return std::move(*failure);
  }
  return in_order(descriptors, shared.blobs());
}

}  // namespace krata::image
