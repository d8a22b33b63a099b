// The state folder: what outlives the process. Two files, of which one is in use: the whole state, then what has
// changed since. docs/krata_store.md describes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/event/lock_file.h"
#include "common/fd.h"
#include "common/result.h"
#include "krata/store/server.h"
#include "krata/store/store.h"

namespace krata::store {

inline constexpr std::size_t kMinLogBytes = 256 << 10;  // of changes, before the whole state is written anew

// Written to the page cache only: it survives the death of the process at any moment, not the machine's. Opens no file
// after open().
class Journal : public ChangeKeeper {
 public:
  // Makes the folder (0700) when it is missing, takes its lock, and restores into `store`, which is empty, what an
  // earlier process kept. `store` must outlive the journal. Blocks on the file system. Fails with unavailable (another
  // store uses the folder), invalid_input (files of another version, or damaged ones: the message names the file), and
  // as system calls do.
  static common::Result<std::unique_ptr<Journal>> open(const std::string& folder, Store& store,
                                                       std::size_t min_log_bytes = kMinLogBytes);

  // The changes are all kept, or none of them, whenever the process dies. When they cannot be, what was kept before
  // stays.
  common::Result<void> keep(const Changes& changes) override;

 private:
  struct File {
    std::string path;
    common::Fd fd;
    std::uint64_t epoch = 0;    // 0: the file holds no whole state
    std::uint64_t records = 0;  // so far, each of which knows its place
    std::size_t bytes = 0;      // up to the end of the last whole record
  };

  Journal(Store& store, std::size_t min_log_bytes) : store_(store), min_log_bytes_(min_log_bytes) {}
  common::Result<void> open_files(const std::string& folder);
  common::Result<void> restore();
  common::Result<void> rewrite();
  common::Result<void> write_record(File& file, unsigned kind, std::string_view payload);
  [[nodiscard]] File& current() { return files_.at(current_); }

  Store& store_;
  std::size_t min_log_bytes_;
  std::optional<common::LockFile> lock_;
  std::array<File, 2> files_;
  std::size_t current_ = 0;
  std::size_t state_bytes_ = 0;  // of the whole state at the begin of the current file
  std::string buffer_;
};

}  // namespace krata::store
