//! All that the pages say, in each language.

use super::amounts::number;
use super::language::Language::{self, English, Portuguese};

/// What a refused request is told: a heading and a sentence.
pub type Refusal = (&'static str, &'static str);

/// The texts of one language.
#[derive(Clone, Copy, Debug)]
pub struct Texts(pub Language);

/// A text of few words, in each language.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $english:literal, $portuguese:literal;)*) => {
        impl Texts {
            $($(#[$doc])* pub fn $name(self) -> &'static str {
                match self.0 {
                    English => $english,
                    Portuguese => $portuguese,
                }
            })*
        }
    };
}

texts! {
    /// The button.
    download_all: "Download all", "Baixar tudo";
    /// What the button gives.
    as_one_zip: "one ZIP file", "um arquivo ZIP";
    /// Before the end of the link.
    works_until: "This link works until", "Este link funciona até";
    /// In the place of the time that is left, when none is.
    has_ended: "This link has ended.", "Este link expirou.";
    /// Below the button.
    resumable: "A download that breaks off can be resumed.", "Um download interrompido pode ser retomado.";
    /// Heading of the list.
    files_heading: "Files", "Arquivos";
    /// Jumps over the head of the page.
    skip: "Skip to the files", "Ir para os arquivos";
    /// The search field.
    search_label: "Search files", "Buscar arquivos";
    /// The button beside it.
    search: "Search", "Buscar";
    /// Leaves a search.
    all_files: "All files", "Todos os arquivos";
    /// A search without result.
    nothing_found: "No file has all of these words in its name.", "Nenhum arquivo tem todas essas palavras no nome.";
    /// A name of the way up.
    path: "Folder", "Pasta";
    /// The navigation between pages.
    pages: "Pages", "Páginas";
    /// One page back.
    previous: "Previous", "Anterior";
    /// One page on.
    next: "Next", "Próxima";
    /// A file that browsers cannot ask for.
    only_in_archive: "only in the ZIP file", "só no arquivo ZIP";
    /// The folded part.
    for_programs: "Download with a program", "Baixar com um programa";
    /// What is in it.
    for_programs_hint: "Each line goes on where it was cut off when it is run again.", "Cada linha continua de onde parou quando é executada de novo.";
    /// The presigned list.
    manifest: "List of the files with their addresses (JSON lines)", "Lista dos arquivos com seus endereços (linhas JSON)";
    /// The files, one by one.
    each_file: "Each file by itself", "Cada arquivo separadamente";
    /// The button of a line.
    copy: "Copy", "Copiar";
    /// After that.
    copied: "Copied", "Copiado";
    /// Before the id of a refused request.
    request: "Request", "Requisição";
}

impl Texts {
    /// So many files.
    pub fn files(self, count: u64) -> String {
        let amount = number(count, self.0);
        match (self.0, count) {
            (English, 1) => "1 file".to_owned(),
            (English, _) => format!("{amount} files"),
            (Portuguese, 1) => "1 arquivo".to_owned(),
            (Portuguese, _) => format!("{amount} arquivos"),
        }
    }

    /// What a search came to.
    pub fn found(self, count: u64) -> String {
        let files = self.files(count);
        match (self.0, count) {
            (English, _) => format!("{files} found"),
            (Portuguese, 1) => format!("{files} encontrado"),
            (Portuguese, _) => format!("{files} encontrados"),
        }
    }

    /// Where among the pages one is.
    pub fn page(self, page: usize, pages: usize) -> String {
        let (page, pages) = (number(page as u64, self.0), number(pages as u64, self.0));
        match self.0 {
            English => format!("Page {page} of {pages}"),
            Portuguese => format!("Página {page} de {pages}"),
        }
    }

    /// How long a link still works, in its largest unit.
    pub fn left(self, seconds: u64) -> String {
        let (amount, unit) = match seconds {
            0..120 => (seconds, 0),
            120..7_200 => (seconds / 60, 1),
            7_200..172_800 => (seconds / 3_600, 2),
            _ => (seconds / 86_400, 3),
        };
        let units = match self.0 {
            English => [
                ("second", "seconds"),
                ("minute", "minutes"),
                ("hour", "hours"),
                ("day", "days"),
            ],
            Portuguese => [
                ("segundo", "segundos"),
                ("minuto", "minutos"),
                ("hora", "horas"),
                ("dia", "dias"),
            ],
        };
        let (one, many) = units[unit];
        let unit = if amount == 1 { one } else { many };
        let amount = number(amount, self.0);
        match self.0 {
            English => format!("in {amount} {unit}"),
            Portuguese => format!("em {amount} {unit}"),
        }
    }

    /// What people are told about a problem of this type.
    pub fn refusal(self, kind: &str, status: u16) -> Refusal {
        let (english, portuguese): (Refusal, Refusal) = match kind {
            "invalid-link" => (
                (
                    "This link is not complete",
                    "It may have been cut short or changed on its way, in an e-mail for example. Copy it again, all of it, or ask the person who sent it.",
                ),
                (
                    "Este link não está completo",
                    "Ele pode ter sido cortado ou alterado no caminho, por exemplo em um e-mail. Copie-o de novo, por inteiro, ou fale com quem o enviou.",
                ),
            ),
            "link-expired" => (
                (
                    "This link has ended",
                    "Links work for a limited time, and this one is over. Ask the person who sent it for a new one.",
                ),
                (
                    "Este link expirou",
                    "Links funcionam por tempo limitado, e o deste já passou. Peça um novo a quem o enviou.",
                ),
            ),
            "link-revoked" => (
                (
                    "This link was taken back",
                    "Whoever sent it has withdrawn it, or the files were cleaned up. Ask them for a new one.",
                ),
                (
                    "Este link foi cancelado",
                    "Quem o enviou o cancelou, ou os arquivos foram removidos. Peça um novo a essa pessoa.",
                ),
            ),
            "downloads-used-up" => (
                (
                    "This link was used up",
                    "It was made for a certain number of downloads, and all of them have taken place. Ask the person who sent it for a new one.",
                ),
                (
                    "Este link já foi usado",
                    "Ele permitia um certo número de downloads, e todos já foram feitos. Peça um novo a quem o enviou.",
                ),
            ),
            "link-broken" | "link-unreadable" | "object-changed" | "wrong-checksum" => (
                (
                    "These files have changed",
                    "What this link stands for is not there any more as it was, so that nothing wrong is handed out. Ask the person who sent it for a new one.",
                ),
                (
                    "Estes arquivos mudaram",
                    "O conteúdo deste link não existe mais como era, e por isso nada errado é entregue. Peça um novo link a quem o enviou.",
                ),
            ),
            "checksums-pending" => (
                (
                    "Almost ready",
                    "The files are being checked. Try again in a few seconds.",
                ),
                (
                    "Quase pronto",
                    "Os arquivos estão sendo verificados. Tente novamente em alguns segundos.",
                ),
            ),
            "passphrase-needed" | "wrong-passphrase" => (
                (
                    "This link needs a passphrase",
                    "The person who sent the link has it. Load this page again, and enter it as the password; the user name does not matter.",
                ),
                (
                    "Este link precisa de uma senha",
                    "Quem enviou o link tem a senha. Recarregue esta página e digite-a como senha; o nome de usuário não importa.",
                ),
            ),
            "passphrase-throttled" => (
                (
                    "Too many wrong passphrases",
                    "Wait a minute, then load this page again and enter the right one.",
                ),
                (
                    "Muitas senhas erradas",
                    "Espere um minuto, recarregue esta página e digite a senha certa.",
                ),
            ),
            "overloaded" => (
                (
                    "Many people are downloading",
                    "There is no room for one more download right now. Try again in a minute.",
                ),
                (
                    "Há muitos downloads agora",
                    "Não há espaço para mais um download neste momento. Tente novamente em um minuto.",
                ),
            ),
            _ => match status {
                404 | 405 => (
                    (
                        "There is nothing here",
                        "The address may be incomplete. Copy it again, all of it.",
                    ),
                    (
                        "Não há nada aqui",
                        "O endereço pode estar incompleto. Copie-o de novo, por inteiro.",
                    ),
                ),
                400..500 => (
                    (
                        "That does not work",
                        "The request was not understood. Load the page again from the link that you were sent.",
                    ),
                    (
                        "Isso não funciona",
                        "A requisição não foi entendida. Abra novamente o link que você recebeu.",
                    ),
                ),
                _ => (
                    (
                        "Something went wrong",
                        "It is not your mistake. Try again in a minute; if it stays like this, tell the person who sent you the link, with the number below.",
                    ),
                    (
                        "Algo deu errado",
                        "O erro não é seu. Tente novamente em um minuto; se continuar assim, avise quem lhe enviou o link e informe o número abaixo.",
                    ),
                ),
            },
        };
        match self.0 {
            English => english,
            Portuguese => portuguese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let (en, pt) = (Texts(English), Texts(Portuguese));
        assert_eq!(
            (en.files(1), en.files(1200)),
            ("1 file".into(), "1,200 files".into())
        );
        assert_eq!(
            (pt.files(1), pt.files(0)),
            ("1 arquivo".into(), "0 arquivos".into())
        );
        assert_eq!(
            (pt.found(1), pt.found(2)),
            (
                "1 arquivo encontrado".into(),
                "2 arquivos encontrados".into()
            )
        );
        for (seconds, english, portuguese) in [
            (1, "in 1 second", "em 1 segundo"),
            (119, "in 119 seconds", "em 119 segundos"),
            (120, "in 2 minutes", "em 2 minutos"),
            (7_200, "in 2 hours", "em 2 horas"),
            (604_799, "in 6 days", "em 6 dias"),
        ] {
            assert_eq!(en.left(seconds), english);
            assert_eq!(pt.left(seconds), portuguese);
        }
    }
}
