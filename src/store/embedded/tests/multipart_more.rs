//! Uploads in parts: copied parts, and uploads that outlive the process.

use aws_sdk_s3::types::CompletedPart;

use super::multipart::MIB;
use super::*;

#[tokio::test]
async fn ranges_of_objects_become_parts() {
    let fixture = Fixture::new();
    let content = noise(6 * MIB, 9);
    let source = fixture.put("src + ü/a//b", content.clone()).await;
    let id = fixture.begin("copy").await;
    let copy = |number: i32| {
        let copy = fixture
            .s3
            .upload_part_copy()
            .bucket(BUCKET)
            .key("copy")
            .upload_id(&id)
            .part_number(number);
        copy.copy_source("local/src%20%2B%20%C3%BC/a//b")
    };
    assert_eq!(
        code(copy(1).copy_source_if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(
        code(
            copy(1)
                .copy_source_range(format!("bytes=0-{}", 6 * MIB))
                .send()
                .await
        ),
        "InvalidRange"
    );
    assert_eq!(
        code(copy(1).copy_source_range("bytes=5-").send().await),
        "InvalidArgument"
    );
    assert_eq!(
        code(copy(1).copy_source("local/absent").send().await),
        "NoSuchKey"
    );
    let first = copy(1)
        .copy_source_range(format!("bytes=1-{}", 5 * MIB))
        .copy_source_if_match(source);
    let first = first.send().await.unwrap().copy_part_result.unwrap();
    assert_eq!(
        first.checksum_crc32,
        Some(crc32_text(&content[1..=5 * MIB]))
    );
    let whole = copy(2).send().await.unwrap().copy_part_result.unwrap();
    let parts = [(1, first.e_tag), (2, whole.e_tag)].map(|(number, etag)| {
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(etag)
            .build()
    });
    fixture
        .complete("copy", &id, parts.into())
        .send()
        .await
        .unwrap();
    let expected = [&content[1..=5 * MIB], &content].concat();
    assert!(fixture.read("copy").await == expected);
    assert_eq!(fixture.crc32("copy").await, Some(crc32_text(&expected)));
}

#[tokio::test]
async fn uploads_survive_a_restart_and_can_be_listed_and_aborted() {
    let fixture = Fixture::new();
    let ids = [
        fixture.begin("u/a").await,
        fixture.begin("u/b").await,
        fixture.begin("v\u{1}").await,
    ];
    let part = fixture.part("u/a", &ids[0], 1, b"kept").await;
    let again = fixture.reopen();
    let list = || again.list_multipart_uploads().bucket(BUCKET);
    let listed = list().prefix("u/").send().await.unwrap();
    let told: Vec<_> = listed
        .uploads()
        .iter()
        .map(|upload| upload.upload_id().unwrap().to_owned())
        .collect();
    assert_eq!(told, ids[..2]);
    let first = list().prefix("u/").max_uploads(1).send().await.unwrap();
    assert_eq!(first.is_truncated, Some(true));
    let rest = list()
        .prefix("u/")
        .key_marker(first.next_key_marker.unwrap());
    let rest = rest
        .upload_id_marker(first.next_upload_id_marker.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(rest.uploads()[0].upload_id(), Some(&*ids[1]));
    for (key, id) in [("u/b", &ids[1]), ("v\u{1}", &ids[2])] {
        let abort = || {
            again
                .abort_multipart_upload()
                .bucket(BUCKET)
                .key(key)
                .upload_id(id)
        };
        abort().send().await.unwrap();
        assert_eq!(code(abort().send().await), "NoSuchUpload");
    }
    let stray = again
        .upload_part()
        .bucket(BUCKET)
        .key("u/b")
        .upload_id(&ids[1])
        .part_number(1)
        .send()
        .await;
    assert_eq!(code(stray), "NoSuchUpload");
    for id in ["..", "../../x", "", "0"] {
        let abort = again
            .abort_multipart_upload()
            .bucket(BUCKET)
            .key("k")
            .upload_id(id);
        assert!(abort.send().await.is_err(), "{id:?}");
    }
    let other = again
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("other")
        .upload_id(&ids[0]);
    assert_eq!(
        code(other.send().await),
        "NoSuchUpload",
        "an upload belongs to its key"
    );
    fixture
        .complete("u/a", &ids[0], vec![part])
        .send()
        .await
        .unwrap();
    assert_eq!(fixture.read("u/a").await, b"kept");
    assert!(list().send().await.unwrap().uploads().is_empty());
}
