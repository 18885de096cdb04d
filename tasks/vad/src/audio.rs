//! WAV files.

use std::io::Read;

use hound::{SampleFormat, WavReader};

/// Samples of one channel that a recording may have: six hours at 16,000 a second.
const SAMPLES_LIMIT: usize = 6 * 3600 * 16_000;

/// Why a file is no recording that the model can hear.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AudioError {
    #[error("not a WAV file")]
    Wav(#[from] hound::Error),
    #[error("{0} samples a second: 8000, 16000 or a multiple of 16000 can be heard")]
    Rate(u32),
    #[error("longer than {SAMPLES_LIMIT} samples")]
    Length,
}

/// One channel, at a rate that the model knows.
pub(crate) struct Audio {
    /// From -1 to 1.
    pub(crate) samples: Vec<f32>,
    /// Samples a second: 8,000 or 16,000.
    pub(crate) rate: u32,
    /// Of so many samples of the file one was taken.
    pub(crate) step: usize,
}

impl Audio {
    /// Reads a file: channels are averaged; of rates above 16,000 every second, third… sample is taken.
    pub(crate) fn read(file: impl Read) -> Result<Self, AudioError> {
        let mut reader = WavReader::new(file)?;
        let spec = reader.spec();
        let (rate, step) = match spec.sample_rate {
            8_000 => (8_000, 1),
            rate if rate > 0 && rate % 16_000 == 0 => (16_000, (rate / 16_000) as usize),
            rate => return Err(AudioError::Rate(rate)),
        };
        let channels = usize::from(spec.channels.max(1));
        let frames = reader.len() as usize / channels;
        if frames.div_ceil(step) > SAMPLES_LIMIT {
            return Err(AudioError::Length);
        }
        let mut samples = Vec::with_capacity(frames.div_ceil(step));
        match spec.sample_format {
            SampleFormat::Float => mix(reader.samples::<f32>(), channels, step, &mut samples)?,
            SampleFormat::Int => {
                let scale = 1.0 / (1_u64 << (spec.bits_per_sample - 1)) as f32;
                let whole = reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 * scale));
                mix(whole, channels, step, &mut samples)?;
            }
        }
        Ok(Self { samples, rate, step })
    }

    /// Samples that the model hears at a time: 32 ms.
    pub(crate) fn piece(&self) -> usize {
        if self.rate == 16_000 { 512 } else { 256 }
    }

    /// Samples in so many milliseconds.
    pub(crate) fn samples_of_ms(&self, ms: u32) -> usize {
        (u64::from(ms) * u64::from(self.rate) / 1000) as usize
    }

    /// Samples a second in the file.
    pub(crate) fn rate_of_file(&self) -> u32 {
        self.rate * self.step as u32
    }
}

/// The average of the channels of every `step`th frame.
fn mix(
    samples: impl Iterator<Item = hound::Result<f32>>,
    channels: usize,
    step: usize,
    mixed: &mut Vec<f32>,
) -> Result<(), AudioError> {
    let mut sum = 0.0;
    for (place, sample) in samples.enumerate() {
        let (frame, channel) = (place / channels, place % channels);
        sum = if channel == 0 { sample? } else { sum + sample? };
        if channel + 1 == channels && frame % step == 0 {
            mixed.push(sum / channels as f32);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hound::{WavSpec, WavWriter};

    use super::*;

    fn file(channels: u16, sample_rate: u32, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let spec = WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn channels_are_averaged_and_high_rates_thinned() {
        let audio = Audio::read(&file(2, 32_000, &[16_384, 0, 1, 1, -32_768, 0, 1, 1])[..]).unwrap();
        assert_eq!((audio.samples, audio.rate, audio.step), (vec![0.25, -0.5], 16_000, 2));
    }

    #[test]
    fn what_cannot_be_heard_is_refused() {
        assert!(matches!(Audio::read(&b"RIFF"[..]), Err(AudioError::Wav(_))));
        assert!(matches!(Audio::read(&file(1, 44_100, &[0])[..]), Err(AudioError::Rate(44_100))));
        let whole = file(1, 8_000, &[0; 100]);
        assert!(matches!(Audio::read(&whole[..whole.len() - 7]), Err(AudioError::Wav(_))));
    }
}
