import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Addresses in what is built are relative, so that a proxy may serve it below any path.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../src/tallymark/web/dist/app",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "vendor", test: /node_modules\/(react|react-dom|scheduler|@tanstack|wouter)\// },
            // Most screens need most of it: one file is sooner there than twenty small ones.
            { name: "kit", test: /src\/(charts\/(?!WorldMap)|builder|query)\// },
          ],
        },
      },
    },
  },
  server: { proxy: { "/tm": process.env["TALLYMARK"] ?? "http://127.0.0.1:8410" } },
  test: { include: ["tests/**/*.test.ts"] },
});
