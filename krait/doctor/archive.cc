#include "krait/doctor/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace krait::doctor {

using common::Error;

namespace {

la_ssize_t append(archive*, void* text, const void* bytes, std::size_t size) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

struct ArchiveCloser {
  void operator()(archive* writer) const { archive_write_free(writer); }
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

Error failure(archive* writer) {
  const char* why = archive_error_string(writer);
  return {common::ErrorCode::system, std::string("pack the archive: ") + (why != nullptr ? why : "no memory")};
}

}  // namespace

common::Result<std::string> pack(const std::string& folder, const std::vector<Member>& members, std::int64_t unix_s) {
  std::string bytes;
  const std::unique_ptr<archive, ArchiveCloser> writer(archive_write_new());
  if (archive_write_add_filter_gzip(writer.get()) != ARCHIVE_OK ||
      archive_write_set_format_pax_restricted(writer.get()) != ARCHIVE_OK ||
      archive_write_open2(writer.get(), &bytes, nullptr, append, nullptr, nullptr) != ARCHIVE_OK) {
    return failure(writer.get());
  }
  for (const Member& member : members) {
    const std::unique_ptr<archive_entry, ArchiveCloser> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), (folder + "/" + member.name).c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.text.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), S_IRUSR | S_IWUSR);
    archive_entry_set_mtime(entry.get(), unix_s, 0);
    if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(writer.get(), member.text.data(), member.text.size()) !=
            static_cast<la_ssize_t>(member.text.size())) {
      return failure(writer.get());
    }
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) {
    return failure(writer.get());
  }
  return bytes;
}

}  // namespace krait::doctor
