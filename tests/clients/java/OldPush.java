import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Counter;
import io.prometheus.client.Gauge;
import io.prometheus.client.Histogram;
import io.prometheus.client.Summary;
import io.prometheus.client.exporter.PushGateway;
import java.io.IOException;

/** The Java client before 1.0, which many programs still have. Its argument is host:port. */
public final class OldPush {
    private OldPush() {}

    public static void main(String[] args) throws IOException {
        PushGateway gateway = new PushGateway(args[0]);
        Steps.take(step -> {
            CollectorRegistry registry = registryOf(step.metrics);
            switch (step.act) {
                case "push": gateway.push(registry, step.job, step.grouping); break;
                case "add": gateway.pushAdd(registry, step.job, step.grouping); break;
                case "delete": gateway.delete(step.job, step.grouping); break;
                default: throw new AssertionError("cannot " + step.act);
            }
        });
    }

    /** The same metrics as tests/clients/push.py has under the same names. */
    private static CollectorRegistry registryOf(String name) {
        CollectorRegistry registry = new CollectorRegistry();
        switch (name) {
            case "all":
                Counter records = Counter.build("records_total", "Records, \\ and all.\nMore.")
                    .labelNames("stage", "odd").register(registry);
                records.labels("read", "a\"b\\c\nd").inc(3);
                records.labels("wrïte", "").inc(0.1);
                Gauge.build("last_success", "When.").register(registry).set(1.7e9);
                Histogram took = Histogram.build("took_seconds", "How long.")
                    .buckets(0.5, 1, 2.5).register(registry);
                took.observe(0.1);
                took.observe(0.7);
                took.observe(9);
                Summary.build("size_bytes", "How much.").quantile(0.5, 0.05)
                    .register(registry).observe(4);
                break;
            case "native":
                // Where others have native buckets beside these.
                Histogram.build("native_seconds", "How long.").buckets(0.5, 1, 2.5)
                    .register(registry).observe(0.7);
                break;
            case "one":
                Gauge.build("last_success", "When.").register(registry).set(5);
                break;
            case "other":
                Gauge.build("other", "Another one.").register(registry).set(-0.5);
                break;
            case "clash":
                Histogram.build("last_success", "No.").register(registry).observe(1);
                break;
            case "instance":
                Gauge.build("of_instance", "One.").labelNames("instance").register(registry)
                    .labels("own").set(1);
                break;
            case "none":
                break;
            default:
                throw new AssertionError("no metrics are called " + name);
        }
        return registry;
    }
}
