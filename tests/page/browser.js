/** How tests and screenshots start the installed browser; they never download one. */

export const launchOptions = {
  executablePath: process.env.CROSSDUB_CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless=new',
    '--no-sandbox',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--enable-unsafe-webgpu',
  ],
};
