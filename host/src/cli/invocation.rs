use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Global;
use crate::config::{Config, Layers};
use crate::control::{Answer, Endpoint, Request, connect};
use crate::errors::{Exit, Failure, Kind};
use crate::home::{Home, Places};
use crate::render::Screen;

/// Bytes of a configuration file that are read; more is refused.
const MAX_CONFIG_BYTES: u64 = 2 << 20;

/// One call of the program: its flags, where it shows things, and what takes it back.
pub(super) struct Invocation<'a> {
    global: Global,
    places: Places,
    pub(super) screen: &'a mut Screen,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(global: Global, places: Places, screen: &'a mut Screen) -> Self {
        Self { global, places, screen }
    }

    pub(super) fn home(&self) -> Result<Home, Failure> {
        Home::open(self.global.home.as_deref(), &self.places)
    }

    /// The configuration's layers up to the environment; flags of a command are laid over them.
    pub(super) fn layers(&self, home: &Home) -> Result<Layers, Failure> {
        let mut layers = Layers::default();
        let (path, must_exist) = match &self.global.config {
            Some(path) => (path.clone(), true),
            None => (home.config_file(), false),
        };
        if let Some(text) = read_config(&path, must_exist)? {
            layers.add_file(&path.display().to_string(), &text)?;
        }
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        layers.add_environment(std::env::vars_os().filter_map(unicode))?;
        Ok(layers)
    }

    /// The configuration in force for a command without flags of its own; starts the log.
    pub(super) fn config(&self, home: &Home) -> Result<Config, Failure> {
        let config = Config::from_layers(&self.layers(home)?)?;
        self.start_log(&config)?;
        Ok(config)
    }

    /// Sends the log to where the configuration says.
    pub(super) fn start_log(&self, config: &Config) -> Result<(), Failure> {
        let level = match self.global.verbose {
            0 => config.log.level.clone(),
            1 => "warn,poai=info,poai_net=info,poai_sandbox=info,poai_store=info".to_owned(),
            _ => "info,poai=debug,poai_net=debug,poai_sandbox=debug,poai_store=debug".to_owned(),
        };
        let filter = tracing_subscriber::EnvFilter::try_new(&level)
            .map_err(|error| Failure::new(Kind::Config, format!("log.level: {level:?} is no filter: {error}")))?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(true);
        let started = if config.log.file.is_empty() {
            log.with_writer(std::io::stderr).with_ansi(false).try_init()
        } else {
            let path = Path::new(&config.log.file);
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| Failure::file("write the log to", path, &error))?;
            log.with_writer(std::sync::Mutex::new(file)).with_ansi(false).try_init()
        };
        started.map_err(|error| Failure::new(Kind::Bug, format!("the log was started twice: {error}")))
    }

    /// Asks this home's node one thing, and shows what it says.
    pub(super) async fn ask(&mut self, request: Request) -> Result<Exit, Failure> {
        let home = self.home()?;
        let config = self.config(&home)?;
        let cancel = interrupts()?;
        let mut endpoint = connect(&home, &config).await?;
        let answer = self.ask_endpoint(&mut endpoint, request, &cancel).await;
        endpoint.close().await;
        Ok(self.screen.answer(&answer?))
    }

    /// Asks, and shows events as they come.
    pub(super) async fn ask_endpoint(
        &mut self,
        endpoint: &mut Endpoint,
        request: Request,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        endpoint.ask(request, cancel, |event| self.screen.event(&event)).await
    }
}

fn read_config(path: &Path, must_exist: bool) -> Result<Option<String>, Failure> {
    let failed = |error: &std::io::Error| Failure { kind: Kind::Config, ..Failure::file("read", path, error) };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(failed(&error)),
        Ok(about) if about.len() > MAX_CONFIG_BYTES => {
            return Err(Failure::new(
                Kind::Config,
                format!("{} is larger than {MAX_CONFIG_BYTES} bytes", path.display()),
            ));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|error| failed(&error))
}

/// A token that the first Ctrl-C or SIGTERM cancels; the second ends the program at once.
pub(super) fn interrupts() -> Result<CancellationToken, Failure> {
    let failed = |error: std::io::Error| Failure::new(Kind::HostFault, format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancel.is_cancelled() {
                std::process::exit(Exit::Interrupted as i32);
            }
            cancel.cancel();
        }
    });
    Ok(token)
}

/// A path as the node must see it, whose folder is not the command's.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}
