#include "krata/daemon/root_maker.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/answer.h"
#include "common/file.h"
#include "krata/daemon/files.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// "sha256:..." as a file's name: nothing else may be one.
bool is_digest(const std::string& text) {
  const auto colon = text.find(':');
  return colon != std::string::npos && text.size() > colon + 32 &&
         text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz:") == std::string::npos;
}

}  // namespace

Error error_of_child(const ChildEnd& end, const std::string& what) {
  const auto json = common::parse_json_object(end.output);
  if (json && json->contains("error")) {
    return common::error_from_json(*json);
  }
  return {ErrorCode::system, fmt::format("{} ended with {}: {}", what, end.exit_code, end.errors)};
}

Result<void> RootMaker::run(std::vector<std::string> words, Next next) {
  words.insert(words.begin(), {paths_.program("krata-image"), "image"});
  words.insert(words.end(), {"--store", paths_.images(), "-o", "json"});
  KRAIT_TRY(child_, Child::start(loop_, words, [this, next](const ChildEnd& end) {
              // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): the child's, which goes now
              const ChildEnd own = end;
              child_.reset();
              (this->*next)(own);
            }));
  return {};
}

Result<void> RootMaker::show() {
  doing_ = "looking for " + image_;
  before_ = known_.stamp();
  return run({"show", image_}, &RootMaker::shown);
}

void RootMaker::shown(const ChildEnd& end) {
  if (end.exit_code != 0) {
    Error error = error_of_child(end, "krata image show");
    if (error.code() != ErrorCode::not_found || std::exchange(has_pulled_, true)) {
      return finish(std::move(error));
    }
    doing_ = "pulling " + image_;
    return go_on(run({"pull", image_}, &RootMaker::pulled));
  }
  const auto json = common::parse_json_object(end.output);
  digest_ = json ? common::text_at(*json, "digest") : "";
  if (!is_digest(digest_)) {
    return finish(Error(ErrorCode::system, "krata image show gives no digest"));
  }
  known_.note(image_, before_, digest_);
  if (auto made = make_folder(paths_.roots()); !made) {
    return finish(std::move(made.error()));
  }
  const std::string config =
      common::object_at(*json, "config").dump(-1, ' ', false, common::Json::error_handler_t::replace);
  if (auto written = common::write_file(paths_.config(digest_), config, 0600); !written) {
    return finish(std::move(written.error()));
  }
  if (exists(paths_.root(digest_))) {
    return finish(digest_);
  }
  doing_ = "packing " + image_;
  go_on(run({"pack", "store:" + image_, paths_.root(digest_)}, &RootMaker::packed));
}

void RootMaker::pulled(const ChildEnd& end) {
  end.exit_code == 0 ? go_on(show()) : finish(error_of_child(end, "krata image pull").with_context("pull " + image_));
}

void RootMaker::packed(const ChildEnd& end) {
  finish(end.exit_code == 0 ? Result<std::string>(digest_)
                            : error_of_child(end, "krata image pack").with_context("pack " + image_));
}

void RootMaker::go_on(Result<void> begun) {
  if (!begun) {
    finish(std::move(begun.error()));
  }
}

void RootMaker::finish(Result<std::string> result) {
  const Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace krata::daemon
