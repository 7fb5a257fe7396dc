//! Writes every message in every language into a folder, from the sample events: `cargo xtask preview`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use quittance_domain::event::InvoiceEvent;
use quittance_domain::notification::NotificationKind;
use quittance_domain::party::ClientDetails;
use quittance_lambda::envelope::CloudEvent;
use quittance_notification::compose::Templates;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("name the folder to write to")?);
    let templates = Templates::new("Quittance Ltd")?;
    let receipt = sample(NotificationKind::ReceiptIssued)?;
    for notice in NotificationKind::ALL {
        let event = sample(*notice)?;
        // The sample of unapplied cash has an unknown payer.
        let client = event.addressee().or_else(|| receipt.addressee()).ok_or("a sample has a client")?;
        for language in quittance_wording::languages() {
            let client = ClientDetails { language, ..client.clone() };
            let email = templates.email(&event, &client)?;
            let text = format!("Subject: {}\n\n{}", email.subject, email.text);
            for (kind, content) in [("html", email.html), ("txt", text), ("sms.txt", templates.sms(&event, &client)?)] {
                let file = folder.join(format!("{notice}.{language}.{kind}"));
                fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
                println!("{}", file.display());
            }
        }
    }
    Ok(())
}

fn sample(notice: NotificationKind) -> Result<InvoiceEvent, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../events/contract/1/{notice}.json"));
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(CloudEvent::parse(&text)?.payload)
}
