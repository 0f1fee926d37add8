//! `packwright watch`, and `--wait` of the other commands: follows a release to its end.
//!
//! An event of the release only means that something has changed; the command then reads the release. After a lost
//! connection it subscribes again after the last event that it has handled, so it misses nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::http::Opened;
use crate::operations::{Course, Follow, course as operation, follow, spelled};
use crate::sse::Reader;
use crate::verdict::{self, Goal, MaxFailed, Verdict, judge};
use crate::{Api, Exit, Failure, Report, Talk};

/// A connection on which nothing came for this long is given up. A server sends something every 15 seconds by default.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The pause before the first attempt to connect again. It doubles after each attempt, up to [`PAUSE_MAX`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a server may be unreachable until a wait without a time limit is given up.
const AWAY_MAX: Duration = Duration::from_secs(15 * 60);

/// The goal and the limits of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// The time limit; `None` waits as long as it takes.
    pub(super) limit: Option<Duration>,
    /// Whether the server is known to have the release. Then the wait also survives a server that is away from the start on.
    pub(super) is_known: bool,
    pub(super) goal: Goal,
    pub(super) max_failed: MaxFailed,
}

/// The options of `packwright watch`.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    pub release: String,
    pub wait: Option<Duration>,
    pub max_failed: MaxFailed,
}

/// Follows a release to its end.
///
/// # Errors
/// When there is no such release, or a call fails for good.
pub async fn watch(api: &mut Api, request: &WatchRequest, talk: &mut dyn Talk) -> Result<Report, Failure> {
    let wait = Wait { limit: request.wait, is_known: false, goal: Goal::Released, max_failed: request.max_failed };
    until_the_end(api, &request.release, wait, talk).await
}

/// A release, and the cursor of the newest event when it was read.
struct Seen {
    release: operation::CourseRelease,
    cursor: String,
}

impl Seen {
    fn course(&self) -> verdict::Course {
        verdict::Course {
            state: spelled(&self.release.state),
            has_ended: self.release.ended_at.is_some(),
            is_halted: self.release.pause.as_ref().is_some_and(|pause| pause.figures.is_some()),
            total: self.release.progress.total,
            failed: self.release.progress.failed,
            offered: self.release.progress.offered,
        }
    }

    fn report(&self, words: Option<String>, exit: Exit) -> Report {
        let state = spelled(&self.release.state);
        let mut release = serde_json::to_value(&self.release).unwrap_or_default();
        if let Some(number) = release.pointer("/version/number").cloned() {
            release["versionNumber"] = number;
        }
        Report { lines: vec![format!("{} {state}", self.release.id)], data: json!({ "release": release }), words, exit }
    }

    /// A sentence about the state, for people.
    fn words(&self) -> String {
        let (release, progress) = (&self.release, &self.release.progress);
        let name = format!("Version {} of {}", release.version.number, release.pack.name);
        let state = match spelled(&release.state).as_str() {
            "SCHEDULED" => match &release.window {
                Some(window) => format!("is scheduled for {} ({})", window.date, window.time_zone),
                None => "is scheduled".to_owned(),
            },
            "IN_PROGRESS" => "is being rolled out".to_owned(),
            "SUCCEEDED" => "is released".to_owned(),
            "PARTIALLY_SUCCEEDED" => "is released, but not everywhere".to_owned(),
            "FAILED" => "has failed".to_owned(),
            "CANCELED" => "was canceled".to_owned(),
            "SUPERSEDED" => "was superseded by another release".to_owned(),
            "ROLLING_BACK" => "is being rolled back".to_owned(),
            "ROLLED_BACK" => "was rolled back".to_owned(),
            other => format!("is {other}"),
        };
        let paused = match &release.pause {
            Some(pause) => format!(" It is paused: {}", pause.reason),
            None => String::new(),
        };
        let failed = if progress.failed > 0 { format!(", {} failed", progress.failed) } else { String::new() };
        format!("{name} {state}: {} of {} installations moved{failed}.{paused}", progress.applied, progress.total)
    }
}

async fn look(api: &mut Api, release: &str) -> Result<Seen, Failure> {
    let found = api.ask::<Course>(operation::Variables { release_id: release.to_owned() }).await?;
    let unknown = || Failure::coded("NOT_FOUND", format!("The account has no release with the id {release}."));
    Ok(Seen { release: found.release.ok_or_else(unknown)?, cursor: found.viewer.event_cursor })
}

/// Looks at a release that the server has told of, for as long as it takes to reach the server.
async fn look_again(api: &mut Api, release: &str, is_limited: bool, talk: &mut dyn Talk) -> Result<Seen, Failure> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let broken = match look(api, release).await {
            Ok(seen) => return Ok(seen),
            Err(failure) => failure,
        };
        if !broken.is_passing || !is_limited && begun.elapsed() > AWAY_MAX {
            return Err(broken);
        }
        if pause == FIRST_PAUSE {
            talk.say(&format!("{} The release {release} is there; trying again to read it.", broken.message));
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Reports on the release without a wait. A run that is repeated may find that its release has ended without success.
pub(super) async fn as_it_is(
    api: &mut Api,
    release: &str,
    max_failed: MaxFailed,
    talk: &mut dyn Talk,
) -> Result<Report, Failure> {
    let seen = look_again(api, release, false, talk).await?;
    let course = seen.course();
    let exit = match judge(&course, Goal::Released, max_failed) {
        Verdict::Missed => Exit::NotSucceeded,
        Verdict::TooManyFailed if course.has_ended => Exit::NotSucceeded,
        _ => Exit::Done,
    };
    Ok(seen.report(Some(seen.words()), exit))
}

/// Waits until a release has ended, the time is over, or the goal can't be reached any more.
pub(super) async fn until_the_end(
    api: &mut Api,
    release: &str,
    wait: Wait,
    talk: &mut dyn Talk,
) -> Result<Report, Failure> {
    let deadline = wait.limit.map(|limit| Instant::now() + limit);
    // The first read must succeed if the id may be wrong. Others are tried again while the server is away.
    let first = match deadline.filter(|_| wait.is_known) {
        Some(deadline) => match timeout_at(deadline, look_again(api, release, true, talk)).await {
            Ok(seen) => seen?,
            Err(_) => return Ok(never_seen(release)),
        },
        None if wait.is_known => look_again(api, release, false, talk).await?,
        None => look(api, release).await?,
    };
    if judge(&first.course(), wait.goal, wait.max_failed) == Verdict::GoesOn {
        talk.say(&first.words());
    }
    let mut following = Following {
        cursor: first.cursor.clone(),
        seen: first,
        reached: Instant::now(),
        pause: FIRST_PAUSE,
        renewed: None,
    };
    let followed = following.follow(api, release, wait, talk);
    let ended = match deadline {
        Some(deadline) => timeout_at(deadline, followed).await,
        None => Ok(followed.await),
    };
    let seen = following.seen;
    let Ok(verdict) = ended else {
        let words = format!(
            "The time of the wait is over, and the release goes on. {} `packwright watch {release}` goes on waiting.",
            seen.words()
        );
        return Ok(seen.report(Some(words), Exit::StillRunning));
    };
    let (exit, more) = match verdict? {
        Verdict::Reached | Verdict::GoesOn => (Exit::Done, String::new()),
        Verdict::Missed => (Exit::NotSucceeded, String::new()),
        Verdict::TooManyFailed => {
            let goes_on = if seen.course().has_ended { "" } else { "; the release itself goes on" };
            (Exit::NotSucceeded, format!(" More installations have failed than --max-failed allows{goes_on}."))
        }
        Verdict::Halted => (
            Exit::Halted,
            format!(
                " Its halt rule has paused it: go on with `packwright resume {release}`, or go back with `packwright \
                 rollback {release}`."
            ),
        ),
    };
    Ok(seen.report(Some(format!("{}{more}", seen.words())), exit))
}

/// The end of a wait in which the server couldn't be reached.
fn never_seen(release: &str) -> Report {
    let words = format!(
        "The time of the wait is over. The release {release} was made, and the server couldn't be reached since. \
         `packwright watch {release}` goes on waiting."
    );
    let data = json!({ "release": { "id": release } });
    Report { lines: vec![release.to_owned()], data, words: Some(words), exit: Exit::StillRunning }
}

/// A wait in progress.
struct Following {
    seen: Seen,
    /// The cursor of the last event that was handled.
    cursor: String,
    /// When the server sent something last.
    reached: Instant,
    /// The pause before the next attempt to connect.
    pause: Duration,
    /// When the token was renewed last.
    renewed: Option<Instant>,
}

impl Following {
    async fn follow(
        &mut self,
        api: &mut Api,
        release: &str,
        wait: Wait,
        talk: &mut dyn Talk,
    ) -> Result<Verdict, Failure> {
        loop {
            match judge(&self.seen.course(), wait.goal, wait.max_failed) {
                Verdict::GoesOn => {}
                decided => return Ok(decided),
            }
            let mut broken = match self.listen(api, release, wait, talk).await {
                Ok(verdict) => return Ok(verdict),
                Err(failure) => failure,
            };
            if broken.has_code("CURSOR_EXPIRED") {
                // The server no longer keeps the events after the cursor. So the release is read anew, and the wait
                // goes on after the newest event.
                match look(api, release).await {
                    Ok(seen) => {
                        self.cursor.clone_from(&seen.cursor);
                        self.seen = seen;
                        broken.is_passing = true;
                    }
                    Err(failure) => broken = failure,
                }
            }
            let is_due = self.renewed.is_none_or(|at| at.elapsed() > SILENCE_MAX);
            let renewed = broken.has_code("UNAUTHENTICATED") && is_due && api.renew();
            if renewed {
                self.renewed = Some(Instant::now());
            }
            if !broken.is_passing && !renewed {
                return Err(broken);
            }
            if wait.limit.is_none() && self.reached.elapsed() > AWAY_MAX {
                return Err(broken);
            }
            if self.pause == FIRST_PAUSE {
                talk.say(&format!("{} Trying again, from the last event on.", broken.message));
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// Reads events until the wait is over. Fails when the connection is lost.
    async fn listen(
        &mut self,
        api: &mut Api,
        release: &str,
        wait: Wait,
        talk: &mut dyn Talk,
    ) -> Result<Verdict, Failure> {
        let variables = follow::Variables { release_id: release.to_owned(), after: self.cursor.clone() };
        let mut stream = api.subscribe::<Follow>(variables).await?;
        let mut reader = Reader::default();
        loop {
            let bytes = next(&mut stream).await?;
            self.reached = Instant::now();
            self.pause = FIRST_PAUSE;
            let events = reader.take(&bytes);
            // The cursor is kept only after the release was read. If that fails, the same events come again.
            let mut newest = None;
            for event in &events {
                if event.kind == "complete" {
                    return Err(Failure::passing("The server has ended the stream of events."));
                }
                let read = api.read_event::<Follow>(&event.data)?.events;
                newest = Some(read.cursor);
            }
            // Events that came together need only one read of the release.
            if let Some(cursor) = newest {
                let before = std::mem::replace(&mut self.seen, look(api, release).await?);
                self.cursor = cursor;
                match judge(&self.seen.course(), wait.goal, wait.max_failed) {
                    Verdict::GoesOn => self.report_changes(&before, talk),
                    decided => return Ok(decided),
                }
            }
        }
    }

    /// Says how the release's state has changed, and shows its progress.
    fn report_changes(&self, before: &Seen, talk: &mut dyn Talk) {
        let was_paused = before.release.pause.is_some();
        if before.course().state != self.seen.course().state || was_paused != self.seen.release.pause.is_some() {
            talk.say(&self.seen.words());
        }
        talk.progress(self.seen.release.progress.percent, &self.seen.words());
    }
}

/// The next bytes of a stream. The end of the bytes is a failure, because a server announces the end of a stream by an
/// event.
async fn next(stream: &mut Opened) -> Result<Vec<u8>, Failure> {
    match timeout(SILENCE_MAX, stream.next()).await {
        Ok(Ok(Some(bytes))) => Ok(bytes.to_vec()),
        Ok(Ok(None)) => Err(Failure::passing("The connection was closed.")),
        Ok(Err(why)) => Err(Failure::passing(format!("The connection was lost: {why}."))),
        Err(_) => Err(Failure::passing("The server has been silent for too long.")),
    }
}

/// Reports on a release for a command that has changed it. `words` come before the sentence about its state, and `more`
/// is added to the JSON.
pub(super) async fn with_words(
    api: &mut Api,
    release: &str,
    words: &str,
    more: Value,
    talk: &mut dyn Talk,
) -> Result<Report, Failure> {
    let seen = look_again(api, release, false, talk).await?;
    let mut report = seen.report(Some(format!("{words} {}", seen.words())), Exit::Done);
    if let (Some(data), Some(more)) = (report.data.as_object_mut(), more.as_object()) {
        data.extend(more.clone());
    }
    Ok(report)
}
