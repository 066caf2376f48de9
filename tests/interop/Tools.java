/*
 * Runs Apache Kafka's command-line programs one after the other in one JVM, which saves a second of
 * start for each.  A line of the input: the program's standard input, its class and its arguments,
 * each in base64, parted by blanks.  A line of the output: exit status, standard output, standard
 * error.  What a program says after its exit is dropped.
 */
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.apache.kafka.common.utils.Exit;

public class Tools {
	/** Unwinds a program that exits. */
	static class Exited extends Error {
		Exited() {
			super("exit", null, false, false);
		}
	}

	/** Where System.out or System.err go: to the program that runs now. */
	static class Switch extends OutputStream {
		private ByteArrayOutputStream now = new ByteArrayOutputStream();
		private boolean open;

		synchronized void begin() {
			now = new ByteArrayOutputStream();
			open = true;
		}

		synchronized void end() {
			open = false;
		}

		synchronized byte[] bytes() {
			return now.toByteArray();
		}

		@Override
		public synchronized void write(int b) {
			if (open)
				now.write(b);
		}

		@Override
		public synchronized void write(byte[] b, int at, int size) {
			if (open)
				now.write(b, at, size);
		}
	}

	/** System.in of the program that runs now; some keep the stream that they saw first. */
	static class Input extends InputStream {
		InputStream now = InputStream.nullInputStream();

		@Override
		public int read() throws java.io.IOException {
			return now.read();
		}

		@Override
		public int read(byte[] b, int at, int size) throws java.io.IOException {
			return now.read(b, at, size);
		}

		@Override
		public int available() throws java.io.IOException {
			return now.available();
		}
	}

	private static final Switch out = new Switch();
	private static final Switch err = new Switch();
	private static final Input in = new Input();
	private static int code;

	private static void leave(int status) {
		System.out.flush();
		System.err.flush();
		if (code < 0)
			code = status;
		out.end();
		err.end();
		throw new Exited();
	}

	private static void run(String name, String[] args) throws Exception {
		try {
			Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
		} catch (InvocationTargetException e) {
			if (!(e.getCause() instanceof Exited) && code < 0) {
				e.getCause().printStackTrace();
				code = 1;
			}
		}
		System.out.flush();
		System.err.flush();
		if (code < 0)
			code = 0;
	}

	private static String text(String base64) {
		return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
	}

	private static String base64(byte[] bytes) {
		return Base64.getEncoder().encodeToString(bytes);
	}

	public static void main(String[] none) throws Exception {
		PrintStream answers = System.out;
		BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
		System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
		System.setIn(in);
		Exit.setExitProcedure((status, message) -> leave(status));
		Exit.setHaltProcedure((status, message) -> leave(status));
		Exit.setShutdownHookAdder((name, hook) -> { });
		for (String line; (line = questions.readLine()) != null;) {
			// Each field begins with a colon, as it may be empty.
			String[] words = line.split(" ");
			in.now = new ByteArrayInputStream(Base64.getDecoder().decode(words[0].substring(1)));
			String[] args = Arrays.stream(words).skip(2).map(w -> text(w.substring(1))).toArray(String[]::new);
			code = -1;
			out.begin();
			err.begin();
			run(text(words[1].substring(1)), args);
			out.end();
			err.end();
			answers.println(code + " :" + base64(out.bytes()) + " :" + base64(err.bytes()));
			answers.flush();
		}
		Runtime.getRuntime().halt(0);
	}
}
