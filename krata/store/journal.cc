#include "krata/store/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "common/digest.h"
#include "common/file.h"
#include "krata/store/record.h"

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::array<char, 8> kMagic{'k', 'r', 's', 't', 'o', 'r', 'e', '1'};
constexpr std::size_t kMaxStateRecordBytes = 64 << 10;  // after which the next record of a whole state begins

enum RecordKind : unsigned { kState = 1, kStateEnd = 2, kChanges = 3 };

// Both heads stand in the files as they are in memory: a state is never read by another machine.
struct FileHead {
  std::array<char, 8> magic = kMagic;
  std::uint64_t epoch = 0;  // the file with the greater one is the newer
  std::uint64_t check = 0;  // of what is before
};
struct RecordHead {
  std::uint32_t bytes = 0;  // of the payload
  std::uint32_t kind = 0;
  std::uint64_t check = 0;  // of the file's epoch, the record's place, its kind and payload
};
static_assert(sizeof(FileHead) == 24 && sizeof(RecordHead) == 16);

template <typename Plain>
std::string_view bytes_of(const Plain& plain) {
  return {reinterpret_cast<const char*>(&plain), sizeof(plain)};
}

std::uint64_t check_of(std::uint64_t epoch) {
  return common::Digest::of(std::string(kMagic.data(), kMagic.size()).append(bytes_of(epoch))).low;
}

std::uint64_t check_of(std::uint64_t epoch, std::uint64_t place, unsigned kind, std::string_view payload) {
  common::Digester digester;
  const std::array<std::uint64_t, 3> where{epoch, place, kind};
  digester.add(bytes_of(where));
  digester.add(payload);
  return digester.digest().low;
}

// Goes over a file's records for as long as they are whole.
class Records {
 public:
  explicit Records(std::string_view bytes) : bytes_(bytes) {
    FileHead head;
    if (bytes.size() >= sizeof(head)) {
      std::memcpy(&head, bytes.data(), sizeof(head));
      is_ours_ = head.magic == kMagic && head.check == check_of(head.epoch);
      epoch_ = is_ours_ ? head.epoch : 0;
      at_ = sizeof(head);
    }
  }

  // Whether what is behind the last whole record is the beginning of one.
  [[nodiscard]] bool is_cut_off() const {
    RecordHead head;
    if (bytes_.size() - at_ < sizeof(head)) {
      return true;
    }
    std::memcpy(&head, bytes_.data() + at_, sizeof(head));
    return bytes_.size() - at_ - sizeof(head) < head.bytes;
  }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t place() const { return place_; }
  [[nodiscard]] std::size_t end() const { return at_; }

  struct Record {
    unsigned kind = 0;
    std::string_view payload;
  };
  std::optional<Record> next() {
    RecordHead head;
    if (!is_ours_ || bytes_.size() - at_ < sizeof(head)) {
      return std::nullopt;
    }
    std::memcpy(&head, bytes_.data() + at_, sizeof(head));
    if (bytes_.size() - at_ - sizeof(head) < head.bytes) {
      return std::nullopt;
    }
    const std::string_view payload = bytes_.substr(at_ + sizeof(head), head.bytes);
    if (head.check != check_of(epoch_, place_, head.kind, payload)) {
      return std::nullopt;
    }
    at_ += sizeof(head) + head.bytes;
    ++place_;
    return Record{.kind = head.kind, .payload = payload};
  }

 private:
  std::string_view bytes_;
  bool is_ours_ = false;
  std::uint64_t epoch_ = 0;
  std::uint64_t place_ = 0;
  std::size_t at_ = 0;
};

// 0: the file does not hold a whole state, for its writer did not come to the end.
std::uint64_t epoch_of(std::string_view bytes) {
  Records records(bytes);
  while (const auto record = records.next()) {
    if (record->kind == kStateEnd) {
      return records.epoch();
    }
  }
  return 0;
}

// Whether this is what is there of the first state of all, whose writer did not come to the end: nobody was answered
// from it. An empty file is.
bool is_unfinished_first(std::string_view bytes) {
  const FileHead first{.epoch = 1, .check = check_of(1)};
  if (bytes.size() < sizeof(first)) {
    return bytes_of(first).starts_with(bytes);
  }
  Records records(bytes);
  while (const auto record = records.next()) {
    if (record->kind == kStateEnd) {
      return false;
    }
  }
  return records.epoch() == first.epoch && records.is_cut_off();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& folder, Store& store, std::size_t min_log_bytes) {
  std::unique_ptr<Journal> journal(new Journal(store, min_log_bytes));
  KRAIT_CHECK(journal->open_files(folder), "open the state in " + folder);
  KRAIT_CHECK(journal->restore(), "restore the state in " + folder);
  return journal;
}

Result<void> Journal::open_files(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make the folder");
  }
  KRAIT_TRY(lock_,
            common::LockFile::take(folder + "/state.0", "another store uses it; stop that one or give another folder"));
  for (std::size_t i = 0; i < files_.size(); ++i) {
    File& file = files_.at(i);
    file.path = folder + "/state." + std::to_string(i);
    file.fd = Fd(::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.fd.valid()) {
      return Error::from_errno(errno, "open " + file.path);
    }
  }
  return {};
}

// Takes the newer of the two files that hold a whole state, to the end of its last whole record.
Result<void> Journal::restore() {
  std::array<std::string, 2> contents;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    KRAIT_TRY(contents.at(i),
              common::read_to_end(files_.at(i).fd.get(), std::numeric_limits<std::size_t>::max(), files_.at(i).path));
    files_.at(i).epoch = epoch_of(contents.at(i));
  }
  current_ = files_[1].epoch > files_[0].epoch ? 1 : 0;
  File& file = current();
  if (file.epoch == 0) {
    const bool is_new = contents[0].empty() && is_unfinished_first(contents[1]);
    return is_new ? rewrite()
                  : Error(ErrorCode::invalid_input,
                          "neither of its files holds a whole state of this version; move them "
                          "away to begin with an empty store");
  }
  Records records(contents.at(current_));
  while (const auto record = records.next()) {
    KRAIT_TRY(const auto changes, read_changes(record->payload), file.path);
    for (const Change& change : changes) {
      KRAIT_CHECK(store_.restore(change), file.path);
    }
    if (record->kind == kStateEnd) {
      state_bytes_ = records.end();
    }
  }
  file.records = records.place();
  file.bytes = records.end();
  if (::ftruncate(file.fd.get(), static_cast<off_t>(file.bytes)) != 0) {
    return Error::from_errno(errno, "cut the half-written record off " + file.path);
  }
  return {};
}

Result<void> Journal::write_record(File& file, unsigned kind, std::string_view payload) {
  const RecordHead head{.bytes = static_cast<std::uint32_t>(payload.size()),
                        .kind = kind,
                        .check = check_of(file.epoch, file.records, kind, payload)};
  std::string record(bytes_of(head));
  record.append(payload);
  KRAIT_CHECK(common::write_all_at(file.fd.get(), file.bytes, record, file.path));
  file.bytes += record.size();
  ++file.records;
  return {};
}

// Writes the whole state into the file that is not in use, which only then counts. Until then, and when it does not
// succeed, the other one does.
Result<void> Journal::rewrite() {
  const std::size_t next = 1 - current_;
  File& file = files_.at(next);
  const FileHead head{.epoch = current().epoch + 1, .check = check_of(current().epoch + 1)};
  file.epoch = head.epoch;
  file.records = 0;
  file.bytes = sizeof(head);
  if (::ftruncate(file.fd.get(), 0) != 0) {
    return Error::from_errno(errno, "empty " + file.path);
  }
  KRAIT_CHECK(common::write_all_at(file.fd.get(), 0, bytes_of(head), file.path));
  std::string payload;
  for (const Change& change : store_.saved()) {
    append_change(payload, change);
    if (payload.size() >= kMaxStateRecordBytes) {
      KRAIT_CHECK(write_record(file, kState, payload));
      payload.clear();
    }
  }
  KRAIT_CHECK(write_record(file, kStateEnd, payload));
  state_bytes_ = file.bytes;
  File& old = current();
  current_ = next;
  std::ignore = ::ftruncate(old.fd.get(), 0);  // only to give the room back
  return {};
}

Result<void> Journal::keep(const Changes& changes) {
  buffer_.clear();
  for (const Change& change : changes) {
    append_change(buffer_, change);
  }
  File& file = current();
  const bool is_due = file.bytes - state_bytes_ + buffer_.size() > std::max(min_log_bytes_, 2 * state_bytes_);
  auto written = is_due ? rewrite() : write_record(file, kChanges, buffer_);
  if (!written) {
    // A full disk may have room for the one when it has none for the other.
    auto otherwise = is_due ? write_record(file, kChanges, buffer_) : rewrite();
    if (!otherwise) {
      std::ignore = ::ftruncate(file.fd.get(), static_cast<off_t>(file.bytes));
      return common::passed_on(written, "keep the state; make room, then start again");
    }
  }
  return {};
}

}  // namespace krata::store
