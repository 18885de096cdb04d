use std::fmt::Write;

use super::super::quantity::{count, microseconds};
use super::table::{align, cids, fetched, further, tail};
use crate::demo::report::{DeviceRow, DevicesReport};

/// The report of devices.
pub(crate) fn devices(report: &DevicesReport) -> String {
    let mut text: String = report.devices.iter().map(|device| cids(&device.row)).collect();
    text.push('\n');
    text.push_str(&runs(&report.devices));
    let _ = writeln!(text, "\nEvery claim of a device is the processor's, to the last bit.");
    text.push_str(&fetched(&report.peers));
    let _ = writeln!(text, "It took {} without the proofs and the build.", microseconds(report.took_ms * 1000));
    let commands = report.devices.iter().map(|device| {
        let row = &device.row;
        (row.verifier.as_str(), format!("verify {}", row.run.receipt))
    });
    let commands: Vec<_> = commands.collect();
    text.push_str(&further(report.kept.as_deref(), &report.program, &report.peers, "demo --gpu", &commands));
    text
}

/// One line a device.
fn runs(devices: &[DeviceRow]) -> String {
    let mut table = vec![
        ["TASK", "HOST'S DEVICE", "VERIFIER'S KERNELS", "FUEL", "TIME", "VERDICT", "CLAIM", "REPLAYED"]
            .map(str::to_owned),
    ];
    for DeviceRow { row, device, verifier_kernels } in devices {
        table.push([
            row.name.clone(),
            device.clone(),
            verifier_kernels.clone(),
            count(row.run.fuel),
            microseconds(row.run.telemetry.wall_us),
            if row.differs() { "differs" } else { "same" }.to_owned(),
            format!("…{}", tail(&row.run.claim)),
            format!("…{}", tail(&row.replay.found)),
        ]);
    }
    align(&table)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{peer, row, task};
    use super::*;

    #[test]
    fn a_report_names_every_device() {
        let on = |host: &str, device: &str| DeviceRow {
            row: row("nn-check", host, 1_234_567, None),
            device: device.into(),
            verifier_kernels: "scalar".into(),
        };
        let report = DevicesReport {
            task: task("nn-check"),
            peers: vec![peer("author"), peer("verifier"), peer("gpu-1"), peer("gpu-2")],
            devices: vec![on("gpu-1", "Radeon"), on("gpu-2", "SwiftShader Device")],
            took_ms: 4_500,
            kept: None,
            program: "target/debug/poai".into(),
        };
        insta::assert_snapshot!(devices(&report));
    }
}
