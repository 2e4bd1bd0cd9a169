//! What refused requests are told, in each language.

use super::language::Language::{English, Portuguese};
use super::texts::Texts;

/// A heading and a sentence.
pub type Refusal = (&'static str, &'static str);

impl Texts {
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
