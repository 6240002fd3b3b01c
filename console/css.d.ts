/** A style sheet that esbuild puts into the page's own. */
declare module "*.css";
