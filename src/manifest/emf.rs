//! One line of CloudWatch's embedded metric format for each manifest: in the logs of a function or a container it becomes
//! metrics, without a call and without an agent.
//!
//! Source: [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{ManifestError, Published, Selection};

/// The namespace of the metrics.
const NAMESPACE: &str = "sheaf";

/// The line of a run that began at `began` and took `took`.
pub(super) fn line(
    selection: &Selection,
    outcome: &Result<Published, ManifestError>,
    began: SystemTime,
    took: Duration,
) -> Value {
    let (count, bytes) = match outcome {
        Ok(published) => (published.count, published.bytes),
        Err(_) => (0, 0),
    };
    let began = began
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
    json!({
        "_aws": {
            "Timestamp": began.as_millis() as u64,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Bucket"], []],
                "Metrics": [
                    metric("ManifestObjects", "Count"),
                    metric("ManifestBytes", "Bytes"),
                    metric("ManifestDuration", "Milliseconds"),
                    metric("ManifestFailures", "Count"),
                ],
            }],
        },
        "Bucket": selection.bucket().as_str(),
        // A property and no dimension: a metric for each prefix would be paid for each.
        "Prefix": selection.prefix(),
        "ManifestObjects": count,
        "ManifestBytes": bytes,
        "ManifestDuration": took.as_millis() as u64,
        "ManifestFailures": u8::from(outcome.is_err()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Bucket;

    #[test]
    fn every_metric_that_is_named_is_there() {
        let bucket = Bucket::new("my-bucket").unwrap();
        let selection = Selection::new(bucket, "reports/", &[]).unwrap();
        let failed = Err(ManifestError::TooLarge { limit: 7 });
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let line = line(&selection, &failed, began, Duration::from_millis(1500));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name}");
        }
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string());
        }
        assert_eq!(
            (&line["ManifestFailures"], &line["ManifestDuration"]),
            (&1.into(), &1500.into())
        );
    }
}
