//! All that the pages say, in each language.

use super::amounts::number;
use super::language::Language::{self, English, Portuguese};

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
    /// Heading of the owner's page.
    owner_title: "Share files", "Compartilhar arquivos";
    /// Below it.
    owner_hint: "Choose a folder, make a link, and send it to whoever needs the files.", "Escolha uma pasta, crie um link e envie-o a quem precisa dos arquivos.";
    /// Beside the button, where the archive stands in a bucket.
    packaged: "Download it from the store", "Baixar do armazenamento";
    /// After that.
    packaged_hint: "the same ZIP file, which stands ready there", "o mesmo arquivo ZIP, que já está pronto lá";
    /// The button that writes the archive into the bucket.
    make_job: "Write into the bucket", "Gravar no bucket";
    /// Heading of the jobs.
    jobs: "Archives in the bucket", "Arquivos no bucket";
    /// Where there are none.
    no_jobs: "There are none yet.", "Ainda não há nenhum.";
    /// The button that ends a job.
    cancel: "Cancel", "Cancelar";
    /// A job that nobody has begun.
    job_queued: "waiting", "na fila";
    /// A job under way.
    job_running: "under way", "em andamento";
    /// A job that is being put down.
    job_cancelling: "being cancelled", "sendo cancelado";
    /// A job that ended well.
    job_done: "done", "concluído";
    /// A job that did not.
    job_failed: "failed", "falhou";
    /// A job that nobody wanted any more.
    job_cancelled: "cancelled", "cancelado";
    /// How far a job is.
    job_progress: "Progress", "Progresso";
    /// Where scripts do not run.
    needs_script: "This page needs JavaScript. Everything that it does can be done with the command line and the API as well.", "Esta página precisa de JavaScript. Tudo o que ela faz também pode ser feito pela linha de comando e pela API.";
    /// The field of the key.
    key: "API key", "Chave de API";
    /// The button beside it.
    enter: "Enter", "Entrar";
    /// After a key that is not known.
    wrong_key: "This key is not known here.", "Esta chave não é conhecida aqui.";
    /// Heading of the folders.
    choose: "Choose a folder", "Escolha uma pasta";
    /// The field of the bucket.
    bucket: "Bucket", "Bucket";
    /// Goes there.
    open: "Open", "Abrir";
    /// The rest of a folder.
    more: "More", "Mais";
    /// Heading of the selection.
    share: "Share it", "Compartilhe";
    /// The field of patterns.
    patterns: "Which files", "Quais arquivos";
    /// Below it.
    patterns_hint: "Patterns such as *.pdf, several with commas; * takes all.", "Padrões como *.pdf, vários separados por vírgulas; * pega todos.";
    /// The field of the archive's name.
    filename: "Name of the ZIP file", "Nome do arquivo ZIP";
    /// The field of the life.
    life: "The link works for", "O link funciona por";
    /// While a selection is listed.
    counting: "Counting …", "Contando …";
    /// The button that makes a link.
    make_link: "Create link", "Criar link";
    /// The button that makes a manifest.
    make_manifest: "Create a list of addresses", "Criar uma lista de endereços";
    /// What was made.
    made: "Done. Whoever has this address can download the files:", "Pronto. Quem tiver este endereço pode baixar os arquivos:";
    /// Heading of the links.
    links: "Links", "Links";
    /// Below it.
    downloads_hint: "The newest first. Downloads to the end are counted since this server was started.", "Os mais novos primeiro. Downloads completos são contados desde que este servidor foi iniciado.";
    /// Asks again.
    refresh: "Refresh", "Atualizar";
    /// No links at all.
    no_links: "There are no links yet.", "Ainda não há links.";
    /// Before the end of a link.
    ends: "Ends", "Expira em";
    /// After their number.
    downloads: "downloads", "downloads";
    /// A single one.
    one_download: "1 download", "1 download";
    /// Stands for the passphrase in a line to paste.
    passphrase: "PASSPHRASE", "SENHA";
    /// Takes a link back.
    revoke: "Take back", "Cancelar link";
    /// Asks whether that is meant.
    really: "Really take it back?", "Cancelar mesmo?";
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

    /// So many days.
    pub fn days(self, days: u32) -> String {
        match (self.0, days) {
            (English, 1) => "1 day".to_owned(),
            (English, _) => format!("{days} days"),
            (Portuguese, 1) => "1 dia".to_owned(),
            (Portuguese, _) => format!("{days} dias"),
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
