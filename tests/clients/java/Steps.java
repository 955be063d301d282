import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Pushes as steps say that come on standard input, a line of JSON each, as in
 * tests/data/push/clients.jsonl, and writes for each a line: {"ok": bool, "error": string}.
 */
final class Steps {
    /** One thing to do. */
    static final class Step {
        String act;
        String job;
        Map<String, String> grouping = new LinkedHashMap<>();
        String metrics;
        boolean text;
    }

    /** What a client makes of a step. */
    interface Client {
        void take(Step step) throws IOException;
    }

    private Steps() {}

    static void take(Client client) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String error = "";
            try {
                client.take(read(line));
            } catch (IOException | IllegalArgumentException | IllegalStateException refused) {
                error = refused.toString();
            }
            JsonObject answer = new JsonObject();
            answer.addProperty("ok", error.isEmpty());
            answer.addProperty("error", error);
            out.println(answer);
        }
    }

    private static Step read(String line) {
        JsonObject told = new Gson().fromJson(line, JsonObject.class);
        Step step = new Step();
        step.act = told.get("do").getAsString();
        step.job = told.get("job").getAsString();
        told.getAsJsonArray("grouping").forEach(label -> step.grouping.put(
            label.getAsJsonArray().get(0).getAsString(),
            label.getAsJsonArray().get(1).getAsString()));
        step.metrics = told.get("metrics").getAsString();
        step.text = told.has("text") && told.get("text").getAsBoolean();
        return step;
    }
}
